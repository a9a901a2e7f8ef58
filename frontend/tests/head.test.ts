import { describe, expect, it } from "vitest";
import { cutoffOf, type RowRules, summarize } from "../src/compute/headSummary";
import { PackedLayer } from "../src/compute/layerField";
import type { LineScales } from "../src/marks/lines";
import { LineList } from "../src/marks/lines";
import { bandAround, covers } from "../src/views/head/band";
import { bundleLines } from "../src/views/head/bundleLines";
import { findText } from "../src/views/head/findText";
import { linesAmong } from "../src/views/head/selectLines";
import { mostlyRightToLeft } from "../src/views/head/wordLayout";
import { nearestStep, THRESHOLD_STEPS, thresholdText } from "../src/views/shared/thresholdSteps";
import {
  layOutColumns,
  layOutRows,
  rowAt,
  rowSize,
  rowY,
  visibleRows,
} from "../src/views/shared/tokenLayout";
import { absence, rankWords, readEdge, rowRules, sinkKeys, sinkName } from "../src/views/shared/weights";
import { comparedPlaces } from "../src/views/weights/rows";
import type { Token } from "../src/wire/messages";

const token = (text: string, continues = false): Token => ({
  ...{ text, id: 0, special: false, sentence: null, raw: false },
  continues,
});

/** One head, rows of √-coded bytes: 0.25 is 128² / 255². */
function packed(rows: readonly (readonly number[])[], mask = "full"): PackedLayer {
  const header = { stack: "decoder", layer: 0, heads: 1, queries: rows.length, keys: rows[0].length };
  const bytes = Uint8Array.from(rows.flat(), (weight) => Math.round(255 * Math.sqrt(weight)));
  return new PackedLayer({ ...header, error: 0.01, mask, without: new Set() }, bytes);
}
const all = (queries: number, keys: number, more: Partial<RowRules> = {}): RowRules => ({
  queries: new Uint8Array(queries).fill(1),
  keys: new Uint8Array(keys).fill(1),
  counted: new Uint8Array(queries).fill(1),
  ...{ least: 0, top: null, hidden: [] },
  ...more,
});

const SHOWN = { heads: [0], filter: "all", hiddenKeys: new Set<number>(), threshold: 0, top: null } as const;

describe("the readout of an edge", () => {
  const rows = [[0.7, 0.3, 0]];
  const edge = { head: 0, query: 0, key: 1 };

  it("counts the keys that may be looked at only where they are known", () => {
    expect(rankWords(readEdge(packed(rows), edge))).toBe("rank 2 of 3");
    expect(rankWords(readEdge(packed(rows, "unknown"), edge))).toBe("rank 2");
  });

  it("says whether a key without a number is hidden, masked, or has no known weight", () => {
    expect(absence(packed(rows, "causal"), { ...edge, key: 2 })).toBe("masked");
    expect(absence(packed(rows, "unknown"), { ...edge, key: 2 })).toBe("no weight");
    expect(absence(packed(rows).renormalized(new Set([0])), { ...edge, key: 0 })).toBe("hidden");
  });
});

describe("what is drawn of a head", () => {
  const field = packed([
    [0.6, 0.3, 0.1],
    [0.2, 0.5, 0.3],
  ]);

  it("drops what is below the threshold and outside the top, and counts it", () => {
    const low = summarize(field, 0, all(2, 3, { least: 0.25 }));
    expect(low.dropped / low.rows).toBeCloseTo((0.1 + 0.2) / 2, 2);
    const top = summarize(field, 0, all(2, 3, { top: 1 }));
    expect(top.dropped / top.rows).toBeCloseTo((0.4 + 0.5) / 2, 2);
    expect(top.received[0]).toBeCloseTo(0.6, 2);
    expect(top.received[2]).toBe(0);
  });

  it("leaves padding out of the averages", () => {
    const rules = all(2, 3, { least: 0.25, hidden: [0], counted: Uint8Array.of(1, 0) });
    const summary = summarize(field, 0, rules);
    expect(summary.rows).toBe(1);
    expect(summary.dropped).toBeCloseTo(0.1, 2);
    expect(summary.hidden).toBeCloseTo(0.6, 2);
    const tokens = [{ ...token("[PAD]"), special: true, padding: true }, token("the"), token(" cat")];
    expect([...rowRules({ ...SHOWN, queries: tokens, keys: tokens }, 0).counted]).toEqual([0, 1, 1]);
    expect([...sinkKeys(tokens, true)]).toEqual([0, 1]);
    expect(sinkName(tokens, true)).toBe("first token");
  });

  it("counts only keys on show among a row's top", () => {
    const rules = all(2, 3, { top: 1, keys: Uint8Array.of(0, 1, 1), hidden: [0] });
    expect(cutoffOf(field.row(0, 0), rules)).toBeCloseTo(0.3, 2);
    const summary = summarize(field, 0, rules);
    expect(summary.hidden / summary.rows).toBeCloseTo(0.4, 2);
    expect(summary.dropped / summary.rows).toBeCloseTo((0.1 + 0.3) / 2, 2);
  });

  it("renormalizes rows and columns alike, and knows what was taken", () => {
    const off = field.renormalized(new Set([0]));
    expect(off.row(0, 0)[1]).toBeCloseTo(0.75, 2);
    expect(off.column(0, 1)?.[0]).toBeCloseTo(off.row(0, 0)[1], 6);
    expect(off.row(0, 1)[0]).toBe(0);
    const summary = summarize(off, 0, all(2, 3));
    expect(summary.hidden / summary.rows).toBeCloseTo(0.4, 2);
    off.correct(0, 0, Float32Array.of(0.5, 0.25, 0.25), null);
    expect([...off.row(0, 0)]).toEqual([0, 0.5, 0.5]);
  });

  it("draws the lines of a band from rows and columns without doubles", () => {
    const rules = all(2, 3, { least: 0.05 });
    const found = linesAmong(field, [0], rules, () => new Float32Array(2).fill(0.05), {
      queries: [0, 1],
      keys: [0, 1],
    });
    expect(found.complete).toBe(true);
    expect(found.lines.count).toBe(4); // three of the first query, and the other that reaches the first key
    const unknown = linesAmong(field, [0], rules, () => null, { queries: [0, 1], keys: [0, 1] });
    expect(unknown.complete).toBe(false);
  });
});

describe("where tokens stand", () => {
  const widths = { query: Float64Array.of(30, 60, 90), key: Float64Array.of(30, 60, 90) };

  it("finds in a turned view the token at every place", () => {
    for (const rightToLeft of [false, true]) {
      const layout = layOutRows({ width: 120, height: 400 }, widths, rightToLeft);
      for (let index = 0; index < 3; index++) {
        const middle = rowY(layout, index, 0, "key");
        expect(rowAt(layout, middle, 0, 3, "key")).toBe(index);
        expect(rowSize(layout, index, "key")).toBe(widths.key[index]);
      }
      const order = rowY(layout, 0, 0) - rowY(layout, 1, 0);
      expect(Math.sign(order)).toBe(rightToLeft ? 1 : -1);
      expect(visibleRows(layout, rightToLeft ? 84 : 0, 3)[0]).toBe(0);
    }
  });

  it("draws bands that hold the window, and asks for another where they no longer do", () => {
    const layout = layOutColumns(400, 600, 1000, 8);
    const band = bandAround(layout, 5000);
    expect(covers(band, layout, 5000, 0.9)).toBe(true);
    expect(covers(band, layout, 5900, 0.5)).toBe(false);
    expect(covers(bandAround(layout, 0), layout, 0, 1)).toBe(true);
  });

  it("bundles lines that leave the window far away, and keeps all that they darken", () => {
    const lines = new LineList();
    for (let query = 0; query < 400; query++) lines.add(0, query, 2, 0.1);
    const scales = {
      ...{ strand: () => 0, opacity: (weight: number) => weight, width: () => 1 },
      ...{ queryY: (query: number) => query * 24, keyY: (key: number) => key * 24 },
    } as unknown as LineScales;
    const bundles = bundleLines(lines, scales, 600);
    expect(bundles.length).toBeLessThan(90);
    const whole = bundles.reduce((sum, { amount }) => sum + amount, 0);
    expect(whole).toBeCloseTo(400 * -Math.log(0.9), 3);
  });
});

describe("searching tokens", () => {
  it("finds text across tokens, in any case, and once where both sides are the same", () => {
    const tokens = ["The", " fisher", "men", " slept", ".", " The", " men"].map((text) => token(text));
    expect(findText(tokens, tokens, "FISHERMEN")).toEqual([{ side: "query", from: 1, to: 3 }]);
    expect(findText(tokens, tokens, "men").map(({ from }) => from)).toEqual([2, 6]);
    expect(findText(tokens, tokens, " the")).toEqual([{ side: "query", from: 5, to: 6 }]);
    expect(findText(tokens, [token("die")], "the").map(({ side }) => side)).toEqual(["query", "query"]);
  });

  it("puts spaces between the words of tokenizers that leave them out", () => {
    const tokens = [token("the"), token("cat"), token("sit"), token("ting", true)];
    expect(findText(tokens, tokens, "cat sitting")).toEqual([{ side: "query", from: 1, to: 4 }]);
  });

  it("knows which way a text runs", () => {
    expect(mostlyRightToLeft([token("שלום"), token("fox"), token(" עולם")])).toBe(true);
    expect(mostlyRightToLeft([token("The"), token("."), token("1")])).toBe(false);
  });
});

it("offers thresholds in logarithmic steps", () => {
  expect(THRESHOLD_STEPS[nearestStep(0.052)]).toBe(0.05);
  expect(nearestStep(0)).toBe(0);
  expect(thresholdText(0.0015)).toBe("0.0015");
});

it("compares pins of the side pinned last, and the token that is read", () => {
  const query = (index: number) => ({ side: "query" as const, index });
  expect(comparedPlaces([query(1)], null)).toEqual([]);
  expect(comparedPlaces([query(1), query(4)], query(7)).map(({ index }) => index)).toEqual([1, 4, 7]);
  expect(comparedPlaces([query(1), query(4)], { side: "key", index: 7 })).toHaveLength(2);
});
