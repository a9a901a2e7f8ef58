import { describe, expect, it } from "vitest";
import {
  between,
  type Filling,
  farthestZoom,
  fillingZoom,
  framing,
  panned,
  rectOf,
  restOf,
  viewOf,
  withinBounds,
  worldAt,
  zoomedAbout,
} from "../src/views/model/camera";
import { comfortableWidth, gridOf, roomOf } from "../src/views/model/grid";
import { cellAt, marginLabels, matrixFrameOf, rectOfCell } from "../src/views/model/matrixFrame";
import { numbersWithRoom, runs } from "../src/views/model/overlay";
import { acrossFor, blocksFor, placementOf } from "../src/views/model/placement";

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
    expect(numbersWithRoom(numbers, 14, [0, 200]).map(({ index }) => index)).toEqual([0, 7, 10, 15]);
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
      const camera = withinBounds(grid, filling, framing(grid, filling, slot));
      const view = viewOf(grid, filling, camera);
      const rect = rectOf(grid, view, slot);
      expect(rect.x).toBeGreaterThanOrEqual(filling.left - 0.5);
      expect(rect.x + rect.width).toBeLessThanOrEqual(width + 0.5);
      expect(rect.y).toBeGreaterThanOrEqual(filling.top - 0.5);
      expect(rect.y + rect.height).toBeLessThanOrEqual(height + 0.5);
      const whole = { queries: [0, 40], keys: [0, 40] } as const;
      const frame = matrixFrameOf(grid, filling, view, placement, () => whole)!;
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
    const away = panned(grid, filling, near, -1e6, 1e6)!;
    expect(away.x).toBeLessThanOrEqual(grid.columns);
    expect(away.y).toBeGreaterThanOrEqual(0);
    expect(fillingZoom(grid, filling)).toBeGreaterThan(4);
  });

  it("glides from where it is to where it goes", () => {
    const { grid, placement } = laidOut(30, 9, 333, 690);
    const [from, to] = [restOf(grid), framing(grid, filling, placement.lines[7][3])];
    expect(between(from, to, 0)).toEqual(from);
    const end = between(from, to, 1);
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
