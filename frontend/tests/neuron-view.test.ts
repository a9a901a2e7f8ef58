import { describe, expect, it } from "vitest";
import { colourCells, signColour, signShare } from "../src/marks/neuron";
import { paddingBeside } from "../src/views/neuron/align";
import { boxOf, columnsFor, placeAt, type Wanted } from "../src/views/neuron/columns";
import { moved } from "../src/views/neuron/pointing";
import { meant, roughly, shareText, signed } from "../src/views/neuron/say";

const WANTED: Wanted = { room: 650, dim: 64, rowHeight: 48, fontSize: 16, longest: 6, extras: ["score"] };

describe("colours of signed numbers", () => {
  it("are blue above zero, orange below, and the page's ground at zero", () => {
    for (const dark of [false, true]) {
      const [upRed, , upBlue] = signColour(0.9, dark);
      const [downRed, , downBlue] = signColour(-0.9, dark);
      expect(upBlue).toBeGreaterThan(upRed);
      expect(downRed).toBeGreaterThan(downBlue);
      expect(signColour(0, dark)).toEqual(dark ? [16, 18, 23] : [255, 255, 255]);
    }
  });

  it("stay full beyond the end of the scale", () => {
    expect(signColour(signShare(90, 3, "linear"), false)).toEqual(signColour(1, false));
    expect(signShare(-0.25, 1, "root")).toBe(-0.5);
    expect(signShare(5, 0, "linear")).toBe(0);
  });

  it("fill one pixel a cell, row after row, in the order of the dimensions", () => {
    const pixels = new Uint32Array(4);
    const look = { dark: false, full: 1, scale: "linear" } as const;
    const values = Float32Array.of(9, 9, 1, -1, 0, 1);
    colourCells(pixels, 0, values, 2, 1, 3, { ...look, order: null });
    const reversed = new Uint32Array(4);
    colourCells(reversed, 0, values, 2, 1, 3, { ...look, order: Uint16Array.of(1, 0) });
    expect([...reversed]).toEqual([pixels[1], pixels[0], pixels[3], pixels[2]]);
    const bytes = new Uint8Array(pixels.buffer);
    expect([...bytes.subarray(0, 4)]).toEqual([...signColour(1, false), 255]);
    expect([...bytes.subarray(4, 8)]).toEqual([...signColour(-1, false), 255]);
  });
});

describe("rows beside the head view's", () => {
  it("are padded until both stages stand alike, or not at all", () => {
    const own = { top: 130, bottom: 800 };
    expect(paddingBeside(own, { top: 162, bottom: 790 })).toEqual({ above: 32, below: 10 });
    expect(paddingBeside(own, { top: 100, bottom: 790 })).toEqual({ above: 0, below: 0 });
    expect(paddingBeside(own, { top: 600, bottom: 790 })).toEqual({ above: 0, below: 0 });
    expect(paddingBeside(own, null)).toEqual({ above: 0, below: 0 });
  });
});

describe("columns", () => {
  const rooms = [380, 480, 650, 680, 900, 1360];

  it.each(
    rooms.flatMap((room) => [16, 32, 64, 128, 256].map((dim) => [room, dim] as const)),
  )("in %i pixels a dimension of %i never gets less than one", (room, dim) => {
    for (const rowHeight of [24, 40, 62]) {
      const columns = columnsFor({ ...WANTED, room, dim, rowHeight });
      expect((columns.span * columns.fold) / dim).toBeGreaterThanOrEqual(1);
      expect(dim % columns.fold).toBe(0);
      expect(columns.width).toBeGreaterThanOrEqual(room);
      const edges = [columns.q, columns.k, columns.product].map((x) => [x, x + columns.span] as const);
      edges.push(...columns.numbers.map(({ x, width }) => [x, x + width] as const));
      edges.push([columns.keyX, columns.keyX + columns.token]);
      let before = columns.queryX + columns.token;
      for (const [from, to] of edges) {
        expect(from).toBeGreaterThanOrEqual(before);
        before = to;
      }
      expect(before).toBeLessThanOrEqual(columns.width);
    }
  });

  it("drop the written numbers before a dimension gets thinner than two pixels", () => {
    expect(columnsFor({ ...WANTED, room: 1360 }).compact).toBe(false);
    expect(columnsFor({ ...WANTED, rowHeight: 24 }).compact).toBe(true);
  });

  it("fold only where rows are tall enough", () => {
    expect(columnsFor({ ...WANTED, rowHeight: 24, dim: 128 }).fold).toBe(1);
    expect(columnsFor({ ...WANTED, rowHeight: 48, dim: 128 }).fold).toBe(2);
  });

  it("find every place where they draw it", () => {
    for (const rowHeight of [24, 48, 62]) {
      const columns = columnsFor({ ...WANTED, rowHeight, dim: 128 });
      for (let place = 0; place < 128; place++) {
        const box = boxOf(columns, 128, 40, place);
        expect(placeAt(columns, 128, 40, box.x + box.width / 2, box.y + box.height / 2)).toBe(place);
      }
      expect(placeAt(columns, 128, 40, columns.span + 1, 5)).toBeNull();
    }
  });
});

describe("arrow keys", () => {
  const from = { zone: "product", row: 3, place: 10 } as const;
  it("move over keys and dimensions and stop at the ends", () => {
    expect(moved(from, "ArrowDown", 5, 9, 64)).toEqual({ zone: "product", row: 4, place: 10 });
    expect(moved(from, "PageDown", 50, 9, 64)).toEqual({ zone: "product", row: 8, place: 10 });
    expect(moved(from, "End", 5, 9, 64)).toEqual({ zone: "product", row: 3, place: 63 });
    expect(moved({ ...from, place: 0 }, "ArrowLeft", 5, 9, 64)?.place).toBe(0);
    expect(moved(from, "x", 5, 9, 64)).toBeNull();
  });
});

describe("numbers as words", () => {
  it("show no decimals that mean nothing", () => {
    expect([0, 0.004, 0.04, 0.4, 4].map(meant)).toEqual([4, 2, 1, 0, 0]);
  });

  it("have a real minus, and none at zero", () => {
    expect(signed(-1.25, 2)).toBe("−1.25");
    expect(signed(-0.001, 2)).toBe("0.00");
    expect(shareText(-0.34)).toBe("−34%");
    expect(shareText(null)).toBe("–");
    expect([0, 0.01234, 1.234, 12.34, 123.4].map(roughly)).toEqual(["0", "0.012", "1.23", "12.3", "123"]);
  });
});
