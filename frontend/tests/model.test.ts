import { describe, expect, it } from "vitest";
import { Thumbnails, weightOf } from "../src/compute/thumbnails";
import { composeDensity, composeMap, edges, inks } from "../src/marks/composite";
import { halve, type Plane, Pyramid } from "../src/marks/pyramid";
import { strandDensity } from "../src/marks/strands";
import {
  type Filling,
  farthestZoom,
  fillingZoom,
  framing,
  kept,
  moved,
  rectOf,
  restOf,
  underway,
  viewOf,
  worldAt,
  zoomedAbout,
} from "../src/views/model/camera";
import { comfortableWidth, gridOf, roomOf } from "../src/views/model/grid";
import { cellRules, fullByte, lookOf, mapWords } from "../src/views/model/look";
import { cellAt, marginLabels, matrixOf, rectOfCell } from "../src/views/model/matrix";
import { runs, written } from "../src/views/model/overlay";
import { acrossFor, blocksFor, placementOf } from "../src/views/model/placement";
import { readHead, spokenHead } from "../src/views/model/reading";
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
        const found = strandDensity({ rows: 8, columns: 8, cells }, width, height, linear, share);
        const length = Math.hypot(width, ((column - row) * height) / 8);
        const total = found.reduce((sum, value) => sum + value, 0);
        expect(Math.abs(total / (0.5 * length) - 1)).toBeLessThan(0.06);
      }
    }
  });

  it("begin at their query and end at their key", () => {
    const cells = new Uint8Array(16);
    cells[0 * 4 + 3] = 255;
    const found = strandDensity({ rows: 4, columns: 4, cells }, 20, 40, linear, new Float32Array(4).fill(1));
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
    const found = strandDensity(plane(3, 3), 5, 5, new Float32Array(256), new Float32Array(3), scratch);
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

  it("is normalised to the heaviest weight off the sinks, but for faint heads", () => {
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
    expect([lookOf("auto", 10), lookOf("auto", 400), lookOf("map", 10)]).toEqual(["lines", "map", "map"]);
  });

  it("is read in words: the heaviest weight off the sinks, spans where tokens are pooled", () => {
    const one = new Thumbnails(overview(1, 5, 5));
    const cells = one.cells(0);
    const reading = readHead({ layer: 3, head: 0 }, one, rules, "special tokens");
    const best = [...cells].map((byte, at) => ([0, 3].includes(at % 5) ? 0 : byte));
    const at = best.indexOf(Math.max(...best));
    expect(reading.largest?.from).toBe(keys[Math.floor(at / 5)].text);
    expect(reading.largest?.weight).toBe(weightOf(best[at]).toFixed(2));
    expect(spokenHead(reading)).toMatch(/^Head 3\.0: .* to .* 0\.\d\d, largest off the special tokens$/);
    const pooled = readHead({ layer: 3, head: 0 }, new Thumbnails(overview(1, 3, 3, [2, 2])), rules, "");
    expect(pooled.largest?.from).toMatch(/^(tokens \d–\d|rug)$/);
    expect(spokenHead(readHead({ layer: 1, head: 2 }, null, rules, ""))).toBe("Head 1.2, not here yet");
  });
});

const SHAPES = [
  [30, 9, 333, 690],
  [30, 9, 1380, 690],
  [32, 32, 470, 750],
  [80, 64, 470, 750],
  [6, 12, 430, 300],
  [1, 1, 260, 750],
] as const;

const plain = { sort: "none", value: null, within: () => true, across: 1 } as const;

function laidOut(
  layers: number,
  heads: number,
  width: number,
  height: number,
  look: "lines" | "map" = "map",
) {
  const room = roomOf(width, height);
  const blocks = blocksFor(room.width, room.height, layers, heads);
  const placement = placementOf({ ...plain, heads: new Array<number>(layers).fill(heads), blocks });
  const { columns, rows } = placement;
  return { placement, grid: gridOf({ width, height, columns, rows, look }) };
}

const filling: Filling = { left: 80, top: 70, queries: 40, keys: 40 };

describe("the grid", () => {
  it.each(
    SHAPES,
  )("of %i × %i heads shows all of them, and finds each again", (layers, heads, width, height) => {
    for (const look of ["lines", "map"] as const) {
      const { placement, grid } = laidOut(layers, heads, width, height, look);
      const view = viewOf(grid, filling, null);
      for (const slot of placement.lines.flat()) {
        const rect = rectOf(grid, view, slot);
        expect(rect.x).toBeGreaterThanOrEqual(grid.left - 0.01);
        expect(rect.x + rect.width).toBeLessThanOrEqual(width);
        expect(rect.y + rect.height).toBeLessThanOrEqual(height);
        const { column, row } = worldAt(view, rect.x + rect.width / 2, rect.y + rect.height / 2);
        expect(placement.at(column, row)).toBe(slot);
      }
      expect(placement.lines.flat()).toHaveLength(layers * heads);
    }
  });

  it("lays layers out side by side where thumbnails become clearly larger", () => {
    expect(blocksFor(295, 660, 30, 9)).toBe(1);
    expect(blocksFor(1340, 660, 30, 9)).toBe(2);
    const { placement } = laidOut(30, 9, 1380, 690);
    expect(placement.blocks.map(({ rowNumbers }) => rowNumbers[0].layer)).toEqual([0, 15]);
    expect(placement.of({ layer: 15, head: 0 })?.row).toBe(0);
  });

  it("asks for more width for more heads, within bounds", () => {
    expect([1, 9, 12, 64].map(comfortableWidth)).toEqual([352, 352, 430, 470]);
  });

  it("joins selected heads that stand beside each other", () => {
    const slots = [0, 1, 2, 4, 7, 8].map((head) => ({ layer: 1, head, column: head, row: 1 }));
    expect(runs(slots).map((run) => [run[0].head, run[run.length - 1].head])).toEqual([
      [0, 2],
      [4, 4],
      [7, 8],
    ]);
  });

  it("leaves out numbers that have no room, but not that of the head pointed at", () => {
    const numbers = Array.from({ length: 20 }, (_, index) => ({
      index,
      text: String(index),
      at: 5 * index,
      bold: index === 7,
    }));
    expect(written(numbers, 14, [0, 200]).map(({ index }) => index)).toEqual([0, 7, 10, 15]);
  });
});

describe("the order of heads", () => {
  const heads = [3, 0, 3];
  const values = [[0.1, Number.NaN, 0.5], [], [0.9, 0.2, 0.3]];
  const value = ({ layer, head }: { layer: number; head: number }) => values[layer][head];
  const names = (sort: "none" | "heads" | "layers" | "ranking", within = (_: { layer: number }) => true) =>
    placementOf({ heads, sort, value, within, blocks: 1, across: 4 }).lines.map((line) =>
      line.map(({ layer, head }) => `${layer}.${head}`),
    );

  it("is that of the model, unless somebody sorts", () => {
    expect(names("none")).toEqual([["0.0", "0.1", "0.2"], [], ["2.0", "2.1", "2.2"]]);
    expect(placementOf({ ...plain, heads, blocks: 1 }).absent).toEqual([{ column: 0, row: 1 }]);
    const without = placementOf({ ...plain, heads, leftOut: [1], blocks: 1 });
    expect(without.absent).toEqual([]);
    expect(without.blocks[0].rowNumbers.map(({ text }) => text)).toEqual(["0", "2"]);
  });

  it("within layers is by value, what is not defined last, and each head keeps its name", () => {
    expect(names("heads")).toEqual([["0.2", "0.0", "0.1"], [], ["2.0", "2.2", "2.1"]]);
    const placed = placementOf({ heads, sort: "heads", value, within: () => true, blocks: 1, across: 4 });
    expect(placed.labels).toBe("head");
    expect(placed.blocks[0].columnNumbers).toEqual([]);
  });

  it("of layers is by the mean of their heads; numbers go with them", () => {
    expect(names("layers")).toEqual([["2.0", "2.1", "2.2"], ["0.0", "0.1", "0.2"], []]);
    const placed = placementOf({ heads, sort: "layers", value, within: () => true, blocks: 1, across: 4 });
    expect(placed.blocks[0].rowNumbers.map(({ text }) => text)).toEqual(["2", "0", "1"]);
  });

  it("of a ranking is that of all heads, without those that a filter leaves out", () => {
    expect(names("ranking")).toEqual([
      ["2.0", "0.2", "2.2", "2.1"],
      ["0.0", "0.1"],
    ]);
    expect(names("ranking", ({ layer }) => layer === 2)).toEqual([["2.0", "2.2", "2.1"]]);
    expect(acrossFor(295, 660, 270)).toBeGreaterThan(6);
  });
});

describe("the camera", () => {
  it.each(
    SHAPES,
  )("over %i × %i heads keeps what is under the pointer there", (layers, heads, width, height) => {
    const { grid } = laidOut(layers, heads, width, height);
    let camera = zoomedAbout(grid, filling, null, 1.4, width / 2, height / 2);
    for (let step = 0; step < 12; step++) {
      const before = worldAt(viewOf(grid, filling, camera), width / 2 + 9, height / 2 - 7);
      camera = zoomedAbout(grid, filling, camera, 1.25, width / 2 + 9, height / 2 - 7);
      const after = worldAt(viewOf(grid, filling, camera), width / 2 + 9, height / 2 - 7);
      expect(after.column).toBeCloseTo(before.column, 3);
      expect(after.row).toBeCloseTo(before.row, 3);
    }
    for (let step = 0; step < 40; step++) camera = zoomedAbout(grid, filling, camera, 0.8, 20, 30);
    expect(camera).toBeNull();
  });

  it.each(SHAPES)("over %i × %i heads frames one as a matrix that fits", (layers, heads, width, height) => {
    const { grid, placement } = laidOut(layers, heads, width, height);
    for (const slot of [placement.lines[0][0], placement.lines.at(-1)!.at(-1)!]) {
      const camera = kept(grid, filling, framing(grid, filling, slot));
      const view = viewOf(grid, filling, camera);
      const rect = rectOf(grid, view, slot);
      expect(rect.x).toBeGreaterThanOrEqual(filling.left - 0.5);
      expect(rect.x + rect.width).toBeLessThanOrEqual(width + 0.5);
      expect(rect.y).toBeGreaterThanOrEqual(filling.top - 0.5);
      expect(rect.y + rect.height).toBeLessThanOrEqual(height + 0.5);
      const whole = { queries: [0, 40], keys: [0, 40] } as const;
      const frame = matrixOf(grid, filling, view, placement, () => whole)!;
      expect(frame.slot).toBe(slot);
      for (const place of [
        { query: 0, key: 0 },
        { query: 39, key: 12 },
      ]) {
        const cell = rectOfCell(frame, place);
        expect(cellAt(frame, cell.x + cell.width / 2, cell.y + cell.height / 2)).toEqual(place);
      }
      expect(cellAt(frame, rect.x - 1, rect.y + 5)).toBeNull();
    }
  });

  it("does not leave the heads, nor go nearer than its nearest", () => {
    const { grid } = laidOut(30, 9, 333, 690);
    const near = zoomedAbout(grid, filling, null, 1e9, 100, 100)!;
    expect(near.zoom).toBeCloseTo(farthestZoom(grid, filling));
    const away = moved(grid, filling, near, -1e6, 1e6)!;
    expect(away.x).toBeLessThanOrEqual(grid.columns);
    expect(away.y).toBeGreaterThanOrEqual(0);
    expect(fillingZoom(grid, filling)).toBeGreaterThan(4);
  });

  it("glides from where it is to where it goes", () => {
    const { grid, placement } = laidOut(30, 9, 333, 690);
    const [from, to] = [restOf(grid), framing(grid, filling, placement.lines[7][3])];
    expect(underway(from, to, 0)).toEqual(from);
    const end = underway(from, to, 1);
    expect([end.x, end.y, end.zoom].map((part, at) => part - [to.x, to.y, to.zoom][at])).toEqual([
      expect.closeTo(0, 6),
      expect.closeTo(0, 6),
      expect.closeTo(0, 6),
    ]);
  });
});

describe("the margins of a matrix", () => {
  it("name every token where there is room, else positions at even steps", () => {
    const names = marginLabels([0, 100], 50, 20, 50, 250);
    expect(names.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(names[0]).toEqual({ index: 0, at: 60, kind: "token" });
    const positions = marginLabels([10, 1000], 50, 1, 50, 250);
    expect(positions.map(({ index }) => index)).toEqual([50, 100, 150, 200]);
    expect(positions[0].kind).toBe("position");
  });
});
