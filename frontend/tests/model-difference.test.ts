import { describe, expect, it } from "vitest";
import { codeOf, codesOf, differenceOf } from "../src/compute/signedCode";
import { Thumbnails } from "../src/compute/thumbnails";
import { differenceCells, type Rows, weightCells } from "../src/compute/tileCells";
import { Pyramid } from "../src/marks/pyramid";
import { overlayDensity, overlayMap } from "../src/marks/signedComposite";
import {
  composeDifference,
  DensityScratch,
  differenceHead,
  largestDifference,
} from "../src/views/model/differenceStyle";
import { differenceWords, layerRanges, rangeText } from "../src/views/model/differenceWords";
import { differenceReadout } from "../src/views/model/headReadout";
import {
  describedMeasure,
  differenceOf as measureDifference,
  shownMeasure,
  tintShare,
} from "../src/views/model/measures";
import { cellRules, type Rules } from "../src/views/model/thumbnailStyle";
import type { OverviewMessage, Token } from "../src/wire/messages";
import { DamagedError } from "../src/wire/safetensors";

function token(text: string, id = 1): Token {
  return { text, id, special: false, sentence: null, continues: false, raw: false };
}

const WORDS = [token("A"), token(" nurse"), token(" She", 7)];

function rules(more: Partial<Rules> = {}): Rules {
  return { filter: "all", sinksHidden: false, sinks: new Set([0]), queries: WORDS, keys: WORDS, ...more };
}

/** A layer of one head over three tokens; `difference` are the signed bytes of its cells. */
function layer(difference: readonly number[] | null, more: Partial<OverviewMessage> = {}): OverviewMessage {
  const shape = [1, 3, 3];
  const tensors = new Map([
    ["thumbnails", { shape, data: Uint8Array.of(255, 0, 0, 180, 180, 0, 147, 147, 147) }],
    ...(difference === null ? [] : [["difference", { shape, data: Int8Array.from(difference) }] as const]),
  ] as const);
  const fields = {
    v: 1,
    id: "r",
    last: true,
    type: "overview",
    trace: "t",
    stack: "s",
    layer: 3,
    baseline: "b",
  };
  const size = { heads: 1, rows: 3, columns: 3, pooled: [1, 1] };
  return {
    ...fields,
    ...size,
    unchanged: difference === null,
    tensors,
    ...more,
  } as unknown as OverviewMessage;
}

/** +.85 from She to nurse and −.25 from She to the sink, as bytes 127·√.85 and −127·√.25. */
const CHANGED = [0, 0, 0, 0, 0, 0, -64, 117, 0];

describe("codes of differences", () => {
  it("are sorted by size, and keep the sign", () => {
    expect([0, 0.85, -0.85, 1, -1].map(codeOf)).toEqual([0, 235, 234, 255, 254]);
    expect(differenceOf(235)).toBeCloseTo((117 / 127) ** 2, 12);
    expect(differenceOf(234)).toBeCloseTo(-((117 / 127) ** 2), 12);
    expect(differenceOf(0)).toBe(0);
  });

  it("are read from the bytes of a host", () => {
    expect([...codesOf(Int8Array.of(0, 5, -5, 127, -127, -128))]).toEqual([0, 11, 10, 255, 254, 254]);
  });

  it("keep the largest |difference| in a coarser level of a pyramid", () => {
    const cells = Uint8Array.of(codeOf(0.25), codeOf(-0.5), codeOf(0.1), 0);
    const { cells: coarse } = new Pyramid({ rows: 2, columns: 2, cells }).level(1, 1);
    expect(differenceOf(coarse[0])).toBeCloseTo(-0.5, 2);
  });
});

describe("thumbnails with a baseline", () => {
  it("have the largest difference, with its sign", () => {
    const { difference } = new Thumbnails(layer(CHANGED, { largest: 0.85 }));
    const peak = difference?.peak(0, { row: () => false, column: () => false });
    expect(peak).toEqual({ row: 2, column: 1, value: (117 / 127) ** 2 });
    const off = difference?.peak(0, { row: () => false, column: (column) => column === 1 });
    expect(off?.value).toBeCloseTo(-0.254, 3);
  });

  it("have none in a layer that is equal", () => {
    const { difference } = new Thumbnails(layer(null));
    expect(difference?.unchanged).toBe(true);
    expect(difference?.shownCodes(0, { row: () => false, column: () => false })).toBeNull();
    expect(new Thumbnails(layer(null, { baseline: undefined })).difference).toBeNull();
  });

  it("are refused if their differences are missing", () => {
    expect(() => new Thumbnails(layer(null, { unchanged: false }))).toThrow(DamagedError);
  });

  it("share one scale: the largest difference of all layers that is shown", () => {
    const layers = [layer(null), layer(CHANGED, { largest: 0.85 })].map((one) => new Thumbnails(one));
    expect(largestDifference(layers, rules())).toBe(0.85);
    const away = [new Thumbnails(layer([0, 0, 0, 0, 0, 0, -64, 0, 0], { largest: 0.25 }))];
    expect(largestDifference(away, rules())).toBe(0.25);
    expect(largestDifference(away, rules({ sinksHidden: true }))).toBe(0);
  });
});

describe("drawing differences", () => {
  const picture = (width: number, height: number) => {
    const words = new Uint32Array(width * height);
    const bytes = new Uint8Array(words.buffer);
    bytes.fill(100);
    return { width, height, words, bytes };
  };

  it("mixes the color of a cell into what is there, by its opacity", () => {
    const pixels = picture(3, 1);
    const colors = Array.from({ length: 256 }, () => [200, 0, 50] as const);
    const opacity = Uint8Array.from({ length: 256 }, (_, code) => [0, 51, 255][code] ?? 0);
    const cells = new Pyramid({ rows: 1, columns: 3, cells: Uint8Array.of(0, 1, 2) });
    overlayMap(pixels, { x: 0, y: 0, width: 3, height: 1 }, cells, { colors, opacity });
    expect([...pixels.bytes.subarray(0, 3)]).toEqual([100, 100, 100]);
    expect([...pixels.bytes.subarray(4, 7)]).toEqual([120, 80, 90]);
    expect([...pixels.bytes.subarray(8, 11)]).toEqual([200, 0, 50]);
  });

  it("mixes lines of both signs by their density", () => {
    const pixels = picture(3, 1);
    const half = Math.LN2;
    const densities = {
      up: Float32Array.of(0, half, half / 2),
      down: Float32Array.of(0, 0, half / 2),
    };
    const box = { x: 0, y: 0, width: 3, height: 1 };
    overlayDensity(pixels, box, densities, { up: [0, 0, 200], down: [200, 100, 0] });
    expect([...pixels.bytes.subarray(0, 3)]).toEqual([100, 100, 100]);
    // Opacity 1 − e^−ln 2 = ½: halfway from 100 to the color.
    for (const [at, wanted] of [50, 50, 150].entries())
      expect(pixels.bytes[4 + at]).toBeCloseTo(wanted, -0.5);
    for (const [at, wanted] of [100, 75, 100].entries())
      expect(pixels.bytes[8 + at]).toBeCloseTo(wanted, -0.5);
  });

  const drawn = (message: OverviewMessage, look: "lines" | "map", full: number) => {
    const thumbnails = new Thumbnails(message);
    const pixels = picture(30, 30);
    const style = { look, full, scale: "root", dark: false, dimmed: false } as const;
    const head = differenceHead(thumbnails, 0, cellRules(rules(), thumbnails));
    composeDifference(pixels, { x: 0, y: 0, width: 30, height: 30 }, head, style, 1, new DensityScratch());
    return pixels.bytes;
  };
  const colored = (bytes: Uint8Array) => {
    let [blue, orange] = [0, 0];
    for (let at = 0; at < bytes.length; at += 4) {
      if (bytes[at + 2] > bytes[at] + 20) blue += 1;
      if (bytes[at] > bytes[at + 2] + 20) orange += 1;
    }
    return { blue, orange };
  };

  it.each(["lines", "map"] as const)("shows more in blue and less in orange, as %s", (look) => {
    const { blue, orange } = colored(drawn(layer(CHANGED, { largest: 0.85 }), look, 0.85));
    expect(blue).toBeGreaterThan(20);
    expect(orange).toBeGreaterThan(10);
  });

  it("fills the cells of a map with the colors of their signs", () => {
    const bytes = drawn(layer(CHANGED, { largest: 0.85 }), "map", (117 / 127) ** 2);
    const at = (x: number, y: number) => [...bytes.subarray(4 * (30 * y + x), 4 * (30 * y + x) + 3)];
    // The largest difference has the end of the scale; appearance.json: signs.light.
    expect(at(15, 25)).toEqual([0x12, 0x4e, 0xac]);
    const [red, , blue] = at(5, 25);
    expect(red).toBeGreaterThan(blue + 60);
  });

  it.each(["lines", "map"] as const)("keeps a gray pattern where nothing differs, as %s", (look) => {
    const bytes = drawn(layer(null), look, 0.85);
    expect(colored(bytes)).toEqual({ blue: 0, orange: 0 });
    expect(new Set(bytes).size).toBeGreaterThan(3);
  });
});

describe("the tiles of a matrix", () => {
  /** Weights by hand: rows of the current pass and of a baseline that has one token more in front. */
  const current: Rows = rowsOf([
    [1, 0],
    [0.25, 0.75],
  ]);
  const baseline: Rows = rowsOf([
    [1, 0, 0],
    [0.5, 0.5, 0],
    [0.1, 0.65, 0.25],
  ]);
  const place = { head: 0, queries: [0, 2], keys: [0, 2] } as const;

  it("are differences between tokens that correspond", () => {
    const aligned = { queries: [1, 2], keys: [1, 2], heads: 1 };
    const { cells, pattern } = differenceCells(current, baseline, aligned, place);
    // 1 − .5, 0 − 0, .25 − .65, .75 − .25
    expect([...cells].map(differenceOf).map((value) => Number(value.toFixed(2)))).toEqual([
      0.5, 0, -0.4, 0.5,
    ]);
    expect([...(pattern ?? [])]).toEqual([...weightCells(current, place).cells]);
  });

  it("are 0 where a token or the head corresponds to nothing", () => {
    const some = differenceCells(current, baseline, { queries: [-1, 2], keys: [1, -1], heads: 1 }, place);
    expect([...some.cells].map((code) => code > 0)).toEqual([false, false, true, false]);
    const none = differenceCells(current, baseline, { queries: [1, 2], keys: [1, 2], heads: 0 }, place);
    expect([...none.cells]).toEqual([0, 0, 0, 0]);
  });
});

function rowsOf(rows: readonly (readonly number[])[]): Rows {
  return { keys: rows[0].length, fill: (_, query, out) => out.set(rows[query]) };
}

describe("texts about differences", () => {
  const facts = {
    ...({ full: 0.8487, name: "after − before", scale: "root", over: "heads" } as const),
    ...{ unchanged: [0, 1, 2], layers: 5, coming: false, note: null, omitted: [], tinted: false },
  } as const;

  it("say the scale, the range, and which layers are equal", () => {
    expect(differenceWords(facts)).toBe(
      "after − before, one √ scale, ±.85 · gray: no change; in layers 0–2 none at all",
    );
    expect(differenceWords({ ...facts, unchanged: [], over: "head" })).toBe(
      "after − before, √ scale, ±.85 · gray: no change",
    );
    expect(differenceWords({ ...facts, full: 0 })).toBe("after − before: no change");
    expect(differenceWords({ ...facts, full: 0, coming: true })).toBe("after − before: still loading");
    expect(differenceWords({ ...facts, tinted: true })).toBe("tint: after − before; gray: the current pass");
  });

  it("name layers in ranges, and ranges in few digits", () => {
    expect(layerRanges([4])).toBe("layer 4");
    expect(layerRanges([0, 1, 2, 5])).toBe("layers 0–2, 5");
    expect(layerRanges([0, 2, 4, 6, 8])).toBe("5 layers");
    expect([1, 0.4, 0.0123].map(rangeText)).toEqual(["1.0", ".40", "0.012"]);
  });

  it("name the largest change of a head, with both tokens where one was substituted", () => {
    const thumbnails = new Thumbnails(layer(CHANGED, { largest: 0.85 }));
    const same = { query: [WORDS[0], WORDS[1], token(" He", 9)], key: WORDS };
    expect(differenceReadout({ layer: 3, head: 0 }, thumbnails, rules(), same)).toEqual({
      ...{ layer: 3, head: 0, mark: null, note: "largest change" },
      largest: { from: "He / She", to: "nurse", weight: "+0.85" },
    });
    const equal = differenceReadout({ layer: 3, head: 0 }, new Thumbnails(layer(null)), rules(), same);
    expect(equal.note).toBe("no change in this layer");
  });
});

describe("measures of two passes", () => {
  const measure = { name: "m", title: "Entropy", unit: "nats", range: [null, null], sentence: "" } as const;
  const after = ({ head }: { readonly head: number }) => [1, 2, 3][head];
  const before = ({ head }: { readonly head: number }) => [1.5, 1.75, 3][head];

  it("are subtracted in heads that correspond", () => {
    const change = measureDifference(after, before, [2]);
    expect([0, 1, 2].map((head) => change({ layer: 0, head }))).toEqual([-0.5, 0.25, Number.NaN]);
    const shown = shownMeasure(measure, change, [3], { signed: true, pass: "after − before" });
    expect(shown.bounds).toEqual([-0.5, 0.5]);
    expect([0, 1].map((head) => tintShare(shown, { layer: 0, head }))).toEqual([-1, 0.5]);
    expect(describedMeasure(shown, 0.25)).toBe("Entropy +0.250 nats");
  });
});
