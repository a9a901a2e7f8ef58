import { describe, expect, it } from "vitest";
import { Thumbnails, weightOf } from "../src/compute/thumbnails";
import { composeDensity, composeMap, edges, inks } from "../src/marks/composite";
import { halve, type Plane, Pyramid } from "../src/marks/pyramid";
import { straightLineDensity } from "../src/marks/straightLines";
import { headReadout, spokenHead } from "../src/views/model/headReadout";
import { cellRules, fullByte, mapWords, thumbnailStyleOf } from "../src/views/model/thumbnailStyle";
import type { OverviewMessage, Token } from "../src/wire/messages";
import { DamagedError } from "../src/wire/safetensors";

/** The same "random" numbers in every run. */
function numbers(count: number, seed: number): Uint8Array {
  let state = seed;
  return Uint8Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
}

function plane(rows: number, columns: number, seed = 1): Plane {
  return { rows, columns, cells: numbers(rows * columns, seed) };
}

function overview(heads: number, rows: number, columns: number, pooled: [number, number] = [1, 1]) {
  const data = numbers(heads * rows * columns, 7);
  const tensors = new Map([["thumbnails", { shape: [heads, rows, columns], data }]]);
  const fields = { v: 1, id: "r", last: true, type: "overview", trace: "t", stack: "s", layer: 3 };
  return { ...fields, heads, rows, columns, pooled, tensors } as unknown as OverviewMessage;
}

function tokens(words: readonly string[], sentences: readonly ("A" | "B" | null)[] = []): readonly Token[] {
  return words.map((text, at) => ({
    text,
    id: at,
    special: text.startsWith("["),
    sentence: sentences[at] ?? null,
    continues: false,
    raw: false,
  }));
}

const SIZES = [
  [1, 1],
  [2, 3],
  [9, 9],
  [13, 64],
  [64, 64],
] as const;

describe("a pyramid", () => {
  it.each(SIZES)("of %i × %i cells keeps in each cell the largest of those below", (rows, columns) => {
    const below = plane(rows, columns);
    const above = halve(below);
    expect([above.rows, above.columns]).toEqual([Math.ceil(rows / 2), Math.ceil(columns / 2)]);
    const expected = new Uint8Array(above.cells.length);
    below.cells.forEach((value, at) => {
      const place = (Math.floor(at / columns) >> 1) * above.columns + ((at % columns) >> 1);
      expected[place] = Math.max(expected[place], value);
    });
    expect(above.cells).toEqual(expected);
  });

  it("gives the coarsest level that is not coarser than what is asked for", () => {
    const pyramid = new Pyramid(plane(64, 64));
    expect([32, 33, 64, 100, 1].map((pixels) => pyramid.level(pixels, pixels).rows)).toEqual([
      32, 64, 64, 64, 1,
    ]);
    expect(pyramid.level(16, 40).columns).toBe(64);
  });
});

describe("a heat map", () => {
  const words = Uint32Array.from({ length: 256 }, (_, byte) => byte);
  const picture = (width: number, height: number) => ({
    width,
    height,
    words: new Uint32Array(width * height).fill(999),
  });

  it.each([
    [64, 64, 29, 21],
    [64, 13, 20, 20],
    [9, 9, 31, 17],
    [5, 64, 11, 64],
    [1, 1, 4, 3],
  ])("of %i × %i cells in %i × %i pixels loses no cell and makes none up", (rows, columns, width, height) => {
    const cells = plane(rows, columns, rows);
    const into = picture(width, height);
    composeMap(into, { x: 0, y: 0, width, height }, new Pyramid(cells), words);
    // A pixel shows one of the cells near it; the brute force looks at all of them within two cells.
    const near = (at: number, pixels: number, count: number): readonly number[] =>
      Array.from({ length: count }, (_, cell) => cell).filter(
        (cell) => cell + 2 >= (at * count) / pixels && cell - 2 < ((at + 1) * count) / pixels,
      );
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const values = near(y, height, rows).flatMap((row) =>
          near(x, width, columns).map((column) => cells.cells[row * columns + column]),
        );
        expect(values).toContain(into.words[y * width + x]);
      }
    }
    expect(Math.max(...into.words)).toBe(Math.max(...cells.cells));
  });

  it.each([3, 10, 29, 40, 63])("shows a lone cell wherever it is, in %i pixels", (pixels) => {
    for (let lone = 0; lone < 64 * 64; lone += 61) {
      const cells = new Uint8Array(64 * 64);
      cells[lone] = 200;
      const into = picture(pixels, pixels);
      const box = { x: 0, y: 0, width: pixels, height: pixels };
      composeMap(into, box, new Pyramid({ rows: 64, columns: 64, cells }), words);
      const at = into.words.indexOf(200);
      expect(at).toBeGreaterThanOrEqual(0);
      expect(Math.abs((at % pixels) + 0.5 - (((lone % 64) + 0.5) * pixels) / 64)).toBeLessThan(1.6);
    }
  });

  it("stays inside its box", () => {
    const into = picture(12, 10);
    composeMap(into, { x: 3, y: 2, width: 5, height: 4 }, new Pyramid(plane(9, 9)), words);
    into.words.forEach((word, at) => {
      const [x, y] = [at % 12, Math.floor(at / 12)];
      expect(word !== 999).toBe(x >= 3 && x < 8 && y >= 2 && y < 6);
    });
  });

  it("gives every cell to one pixel where there are more cells than pixels", () => {
    const found = edges(64, 29);
    expect(found[0]).toBe(0);
    for (let pixel = 1; pixel < 29; pixel++) expect(found[2 * pixel]).toBe(found[2 * pixel - 1]);
    expect(found[57]).toBe(64);
  });
});

describe("the lines of a thumbnail", () => {
  const linear = Float32Array.from({ length: 256 }, (_, byte) => byte / 255);

  it("are as dark as their length and weight, wherever they run", () => {
    for (const [row, column] of [
      [0, 0],
      [3, 3],
      [1, 2],
      [7, 0],
      [0, 7],
    ]) {
      for (const [width, height] of [
        [30, 20],
        [12, 70],
      ]) {
        const cells = new Uint8Array(64);
        cells[row * 8 + column] = 255;
        const share = new Float32Array(8).fill(0.5);
        const found = straightLineDensity({ rows: 8, columns: 8, cells }, width, height, linear, share);
        const length = Math.hypot(width, ((column - row) * height) / 8);
        const total = found.reduce((sum, value) => sum + value, 0);
        expect(Math.abs(total / (0.5 * length) - 1)).toBeLessThan(0.06);
      }
    }
  });

  it("begin at their query and end at their key", () => {
    const cells = new Uint8Array(16);
    cells[0 * 4 + 3] = 255;
    const found = straightLineDensity(
      { rows: 4, columns: 4, cells },
      20,
      40,
      linear,
      new Float32Array(4).fill(1),
    );
    const middle = (x: number): number => {
      let [sum, weighted] = [0, 0];
      for (let y = 0; y < 40; y++) {
        sum += found[y * 20 + x];
        weighted += found[y * 20 + x] * (y + 0.5);
      }
      return weighted / sum;
    };
    expect(middle(0)).toBeCloseTo(5.75, 0);
    expect(middle(19)).toBeCloseTo(34.25, 0);
  });

  it("are ground where there is none and never darker than ink", () => {
    const into = { width: 2, height: 1, words: new Uint32Array(2) };
    const ramp = Uint32Array.from({ length: 256 }, (_, at) => at);
    composeDensity(into, { x: 0, y: 0, width: 2, height: 1 }, new Float32Array([0, 1e9]), ramp);
    expect([...into.words]).toEqual([0, 255]);
  });

  it("use a larger array that is given, from its start", () => {
    const scratch = new Float32Array(1000).fill(3);
    const found = straightLineDensity(plane(3, 3), 5, 5, new Float32Array(256), new Float32Array(3), scratch);
    expect(found).toBe(scratch);
    expect([...scratch.subarray(0, 25)]).toEqual(Array(25).fill(0));
  });
});

describe("thumbnails", () => {
  it("give the cells, the heaviest cell, and copies without what is hidden", () => {
    const one = new Thumbnails(overview(2, 3, 4));
    const all = numbers(24, 7);
    expect([...one.cells(1)]).toEqual([...all.subarray(12)]);
    const hidden = { row: (row: number) => row === 2, column: (column: number) => column === 0 };
    const left = [...one.cells(1)].map((byte, at) => (at >= 8 || at % 4 === 0 ? 0 : byte));
    expect([...one.shownCells(1, hidden)]).toEqual(left);
    const peak = one.peak(1, hidden);
    expect(peak?.byte).toBe(Math.max(...left));
    expect(left[(peak?.row ?? 0) * 4 + (peak?.column ?? 0)]).toBe(peak?.byte);
    expect([...one.cells(1)]).toEqual([...all.subarray(12)]);
    expect(one.peak(0, { row: () => true, column: () => false })).toBeNull();
  });

  it("undo the square root", () => {
    expect(weightOf(255)).toBe(1);
    expect(weightOf(Math.round(255 * Math.sqrt(0.5)))).toBeCloseTo(0.5, 2);
  });

  it("of another shape than they say are damaged", () => {
    expect(() => new Thumbnails({ ...overview(2, 3, 4), columns: 5 })).toThrow(DamagedError);
  });
});

describe("what a thumbnail shows", () => {
  const keys = tokens(["[CLS]", "the", "cat", "[SEP]", "rug"], ["A", "A", "A", "A", "B"]);
  const rules = { filter: "all", sinksHidden: false, sinks: new Set([0, 3]), queries: keys, keys } as const;

  it("is normalized to the heaviest weight off the sinks, but for faint heads", () => {
    const message = overview(1, 5, 5);
    const bytes = message.tensors.get("thumbnails")?.data as Uint8Array;
    bytes.fill(10);
    bytes[0] = 255;
    const one = new Thumbnails(message);
    expect(fullByte(one, 0, cellRules(rules, { pooled: [1, 1], part: null }))).toBeCloseTo(76.5);
    bytes[7] = 100;
    expect(fullByte(one, 0, cellRules(rules, { pooled: [1, 1], part: null }))).toBe(100);
  });

  it("leaves out a cell only where a filter drops all its tokens", () => {
    const halves = { pooled: [2, 2], part: null } as const;
    const filtered = cellRules({ ...rules, filter: "AB" }, { pooled: [2, 2], part: null });
    expect([0, 1, 2].map(filtered.hidden.row)).toEqual([false, false, true]);
    expect([0, 1, 2].map(filtered.hidden.column)).toEqual([true, true, false]);
    expect([0, 1, 2].map(cellRules({ ...rules, sinksHidden: true }, halves).hidden.column)).toEqual([
      true,
      true,
      false,
    ]);
  });

  it("runs from ground to ink at the full weight", () => {
    const words = mapWords(
      inks([
        [0, 0, 0],
        [255, 255, 255],
      ]),
      100,
      "root",
    );
    const red = (word: number) => new Uint8Array(new Uint32Array([word]).buffer)[0];
    expect([0, 50, 100, 255].map((byte) => red(words[byte]))).toEqual([0, 128, 255, 255]);
  });

  it("is lines for short inputs and a map for long ones, unless somebody said", () => {
    expect([
      thumbnailStyleOf("auto", 10),
      thumbnailStyleOf("auto", 400),
      thumbnailStyleOf("map", 10),
    ]).toEqual(["lines", "map", "map"]);
  });

  it("is read in words: the heaviest weight off the sinks, spans where tokens are pooled", () => {
    const one = new Thumbnails(overview(1, 5, 5));
    const cells = one.cells(0);
    const reading = headReadout({ layer: 3, head: 0 }, one, rules, "special tokens");
    const best = [...cells].map((byte, at) => ([0, 3].includes(at % 5) ? 0 : byte));
    const at = best.indexOf(Math.max(...best));
    expect(reading.largest?.from).toBe(keys[Math.floor(at / 5)].text);
    expect(reading.largest?.weight).toBe(weightOf(best[at]).toFixed(2));
    expect(spokenHead(reading)).toMatch(/^Head 3\.0: .* to .* 0\.\d\d, largest without the special tokens$/);
    const pooled = headReadout({ layer: 3, head: 0 }, new Thumbnails(overview(1, 3, 3, [2, 2])), rules, "");
    expect(pooled.largest?.from).toMatch(/^(tokens \d–\d|rug)$/);
    expect(spokenHead(headReadout({ layer: 1, head: 2 }, null, rules, ""))).toBe("Head 1.2, loading");
  });
});
