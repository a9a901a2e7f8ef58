import { describe, expect, it } from "vitest";
import { byWavelength, pairingOf, stacked, unitsOf } from "../src/compute/rotaryPairs";
import { roughly, signed, sized } from "../src/marks/format";
import { type Field, type StripLook, StripPainter, signColor, signShare } from "../src/marks/neuron";
import { boxesOf, boxOf, columnsFor, placeAt, type Wanted } from "../src/views/neuron/columns";
import { meaningfulDecimals, shareText, turnText, wavelengthText } from "../src/views/neuron/describe";
import { ticksOf } from "../src/views/neuron/headings";
import { movedSpot } from "../src/views/neuron/hitTest";
import { paddingBeside } from "../src/views/neuron/padding";
import { groupOf } from "../src/views/neuron/scene";

const WANTED: Wanted = {
  ...{ room: 650, dim: 64, rowHeight: 48, fontSize: 16, longest: 6 },
  ...{ extras: ["score"], values: null },
};
/** SmolLM2's: halves of 64 dimensions, base 100,000. */
const ROTARY = {
  pairs: Array.from({ length: 32 }, (_, n) => [n, n + 32] as const),
  wavelengths: Array.from({ length: 32 }, (_, n) => 2 * Math.PI * 100_000 ** (n / 32)),
};

describe("colors of signed numbers", () => {
  it("are blue above zero, orange below, and the page's ground at zero", () => {
    for (const dark of [false, true]) {
      const [upRed, , upBlue] = signColor(0.9, dark);
      const [downRed, , downBlue] = signColor(-0.9, dark);
      expect(upBlue).toBeGreaterThan(upRed);
      expect(downRed).toBeGreaterThan(downBlue);
      expect(signColor(0, dark)).toEqual(dark ? [16, 18, 23] : [255, 255, 255]);
    }
  });

  it("stay full beyond the end of the scale", () => {
    expect(signColor(signShare(90, 3, "linear"), false)).toEqual(signColor(1, false));
    expect(signShare(-0.25, 1, "root")).toBe(-0.5);
    expect(signShare(5, 0, "linear")).toBe(0);
  });

  it("are symmetric on the logarithmic scale, and nothing below its three decades", () => {
    expect(signShare(0.1, 1, "log")).toBeCloseTo(2 / 3, 6);
    expect(signShare(-0.1, 1, "log")).toBeCloseTo(-2 / 3, 6);
    expect(signShare(1, 1, "log")).toBe(1);
    expect(Math.abs(signShare(-0.0005, 1, "log"))).toBe(0);
  });
});

describe("vectors as pixels", () => {
  const look: StripLook = {
    ...{ dark: false, order: null, full: 1, scale: "linear" as const, dim: 4, fold: 1 },
    ...{ width: 8, height: 3, group: 0 },
  };
  const field = (): Field => ({ pixels: new Uint32Array(100), width: 10, height: 10 });
  const at = ({ pixels, width }: Field, x: number, y: number) => [
    ...new Uint8Array(pixels.buffer).subarray(4 * (y * width + x), 4 * (y * width + x) + 4),
  ];
  const values = Float32Array.of(9, 9, 9, 9, 1, -1, 0, 1);

  it("stand where they are put, each dimension in its color and of one width", () => {
    const drawn = field();
    new StripPainter(look).paint(drawn, values, 4, 1, 2);
    for (let x = 0; x < 8; x++) {
      const value = values[4 + Math.floor(x / 2)];
      expect(at(drawn, 1 + x, 2)).toEqual([...signColor(value, false), 255]);
      expect(at(drawn, 1 + x, 4)).toEqual(at(drawn, 1 + x, 2));
    }
    expect(at(drawn, 0, 3)[3] + at(drawn, 9, 3)[3] + at(drawn, 4, 1)[3] + at(drawn, 4, 5)[3]).toBe(0);
  });

  it("take another order, fold into lines, fade, and are cut at the edges", () => {
    const drawn = field();
    const folded = { ...look, order: Uint16Array.of(3, 2, 1, 0), fold: 2, width: 4, height: 7 };
    new StripPainter(folded).paint(drawn, values, 4, 8, -1, 100);
    expect(at(drawn, 8, 0)).toEqual([...signColor(1, false), 100]);
    expect(at(drawn, 8, 5)).toEqual([...signColor(-1, false), 100]);
    expect(at(drawn, 8, 2)[3]).toBe(0); // the gap between the lines
    expect(at(drawn, 0, 1)[3]).toBe(0); // nothing comes in at the other side
  });

  it("leave a gap after each pair, and none within", () => {
    const drawn = field();
    new StripPainter({ ...look, width: 10, dim: 4, group: 2, fold: 2 }).paint(drawn, values, 4, 0, 0);
    const wide = { pixels: new Uint32Array(40), width: 40, height: 1 };
    new StripPainter({ ...look, width: 40, height: 1, group: 2 }).paint(wide, values, 4, 0, 0);
    const gaps = Array.from({ length: 40 }, (_, x) => x).filter((x) => at(wide, x, 0)[3] === 0);
    expect(gaps).toEqual([19]);
  });
});

describe("pairs that turn together", () => {
  const pairing = pairingOf(ROTARY, 0, 64);

  it("are read for all layers or by layer, and not where they do not fit", () => {
    expect(pairing?.partner[5]).toBe(37);
    expect(pairingOf([null, ROTARY], 0, 64)).toBeNull();
    expect(pairingOf([null, ROTARY], 1, 64)?.wavelength[32]).toBeCloseTo(2 * Math.PI, 6);
    expect(pairingOf(ROTARY, 0, 40)).toBeNull();
    expect(pairingOf(null, 0, 64)).toBeNull();
  });

  it("stand together by wavelength, and what stands still comes last", () => {
    const partial = pairingOf(
      {
        pairs: [
          [4, 6],
          [5, 7],
        ],
        wavelengths: [50, 6],
      },
      0,
      8,
    );
    expect(partial && [...byWavelength(partial)]).toEqual([5, 7, 4, 6, 0, 1, 2, 3]);
    expect(pairing && [...byWavelength(pairing)].slice(0, 4)).toEqual([0, 32, 1, 33]);
  });

  it("stand one above the other where vectors fold, side by side where they do not", () => {
    expect([...stacked(Uint16Array.of(0, 4, 1, 5, 2, 6, 3, 7), 2)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect([...stacked(Uint16Array.of(0, 4, 1, 5, 2, 6, 3, 7), 4)]).toEqual([0, 1, 4, 5, 2, 3, 6, 7]);
    if (pairing === null) throw new Error("no pairs");
    const units = unitsOf(pairing, 64);
    for (const [fold, group] of [
      [1, 2],
      [2, 1],
      [4, 1],
    ] as const) {
      const order = stacked(byWavelength(pairing), fold);
      expect(groupOf(units, (n) => order.indexOf(n), 64, fold)).toBe(group);
      const places = units[7].map((n) => order.indexOf(n));
      expect(boxesOf({ span: 128, fold }, 64, 40, places)).toHaveLength(1);
    }
    expect(groupOf(units, (n) => n, 64, 1)).toBe(0);
    expect(groupOf(units, (n) => n, 64, 2)).toBe(1); // halves fold onto each other by themselves
  });

  it("have an axis of round wavelengths where their pairs stand, none over another", () => {
    if (pairing === null) throw new Error("no pairs");
    for (const room of [420, 650, 1360]) {
      const columns = columnsFor({ ...WANTED, room });
      const order = stacked(byWavelength(pairing), columns.fold);
      const ticks = ticksOf(columns, pairing, order, columns.fold === 1 ? 2 : 1);
      expect(ticks.length).toBeGreaterThan(1);
      // The last tick of a column does not reach the first tick of the next one.
      const half = (text: string) => (7 * text.length) / 2;
      const end = ticks.at(-1)!.x + half(ticks.at(-1)!.text);
      expect(columns.k + end).toBeLessThan(columns.product + ticks[0].x - half(ticks[0].text));
      ticks.forEach(({ text, x }, at) => {
        const place = Math.min(63, Math.floor((x / columns.span) * (64 / columns.fold)));
        const wanted = Number(text.replace("k", "e3"));
        expect(pairing.wavelength[order[place]] / wanted).toBeGreaterThan(0.5);
        expect(pairing.wavelength[order[place]] / wanted).toBeLessThan(2);
        if (at > 0) expect(x - ticks[at - 1].x).toBeGreaterThan(14);
      });
    }
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

  it("of few dimensions are wide enough for their names, and a word that would be cut is written smaller", () => {
    for (const dim of [8, 16]) {
      expect(columnsFor({ ...WANTED, room: 628, dim, rowHeight: 36 }).span).toBeGreaterThanOrEqual(46);
    }
    const sized = (longest: number) =>
      columnsFor({ ...WANTED, room: 585, rowHeight: 48, fontSize: 16, longest }).fontSize;
    expect([sized(4), sized(6), sized(14)]).toEqual([16, 16, 13]);
  });

  it("all stand in a panel of usual width, the score among them, and dimensions keep two pixels", () => {
    for (const [dim, room] of [
      [32, 520],
      [64, 628],
      [128, 660],
    ] as const) {
      const columns = columnsFor({ ...WANTED, dim, room, rowHeight: dim > 64 ? 48 : 24 });
      expect(columns.numbers.map(({ name }) => name)).toEqual(["q·k", "score", "softmax"]);
      expect(columns.width).toBe(room);
      expect(columns.cell).toBeGreaterThanOrEqual(2);
    }
  });

  it("show words whole before dimensions get more than two pixels", () => {
    const { token, fontSize, cell, width } = columnsFor({ ...WANTED, room: 660, rowHeight: 62, longest: 9 });
    expect(token).toBeGreaterThanOrEqual(9 * 16 * 0.57 + 20);
    expect([fontSize, cell, width]).toEqual([16, 2, 660]);
  });

  it("fold only where rows are tall enough", () => {
    expect(columnsFor({ ...WANTED, rowHeight: 24, dim: 256 }).fold).toBe(2);
    expect(columnsFor({ ...WANTED, rowHeight: 48, dim: 256 }).fold).toBe(4);
    expect(columnsFor({ ...WANTED, room: 1360, rowHeight: 24 }).fold).toBe(1);
  });

  it("have the values at the right, wider than their room rather than illegible", () => {
    const values = { dim: 64, norms: true };
    for (const room of [520, 628, 1360]) {
      const columns = columnsFor({ ...WANTED, room, values });
      expect(columns.values?.x).toBeGreaterThan(columns.keyX + columns.token);
      expect(columns.values?.norms?.f).toBeGreaterThan(
        (columns.values?.x ?? 0) + (columns.values?.span ?? 0),
      );
      const { weighted = 0, width = 0 } = columns.values?.norms ?? {};
      expect(weighted + width).toBeLessThanOrEqual(columns.width);
      expect(columns.cell).toBeGreaterThanOrEqual(2);
    }
    expect(columnsFor({ ...WANTED, room: 1360, values }).width).toBe(1360);
    expect(columnsFor({ ...WANTED, values: { dim: 64, norms: false } }).values?.norms).toBeNull();
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
    expect(movedSpot(from, "ArrowDown", 5, 9, 64)).toEqual({ zone: "product", row: 4, place: 10 });
    expect(movedSpot(from, "PageDown", 50, 9, 64)).toEqual({ zone: "product", row: 8, place: 10 });
    expect(movedSpot(from, "End", 5, 9, 64)).toEqual({ zone: "product", row: 3, place: 63 });
    expect(movedSpot({ ...from, place: 0 }, "ArrowLeft", 5, 9, 64)?.place).toBe(0);
    expect(movedSpot(from, "x", 5, 9, 64)).toBeNull();
  });
});

describe("numbers as words", () => {
  it("show no decimals that mean nothing", () => {
    expect([0, 0.004, 0.04, 0.4, 4].map(meaningfulDecimals)).toEqual([4, 2, 1, 0, 0]);
  });

  it("have a real minus, and none at zero", () => {
    expect(signed(-1.25, 2)).toBe("−1.25");
    expect(signed(-0.001, 2)).toBe("0.00");
    expect(shareText(-0.34)).toBe("−34%");
    expect(shareText(null)).toBe("–");
    expect([6.28, 62.8, 628, 1400, 54_000, 6.8e6, Number.POSITIVE_INFINITY].map(turnText)).toEqual([
      ...["6.3", "63", "628", "1.4k", "54k", "6.8M", "∞"],
    ]);
    expect([6.28, 628, 1400, 54_321, Number.POSITIVE_INFINITY].map(wavelengthText)).toEqual([
      ...["6.3", "628", "1,400", "54,000", "∞"],
    ]);
    expect([sized(3.456, 4), sized(3.456, 40), sized(0.0123, 0.05)]).toEqual(["3.46", "3.5", "0.0123"]);
    expect([0, 0.01234, 1.234, 12.34, 123.4].map(roughly)).toEqual(["0", "0.012", "1.23", "12.3", "123"]);
  });
});
