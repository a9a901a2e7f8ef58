import { describe, expect, it } from "vitest";
import { ComparedLayer, DifferenceLayer } from "../src/compute/differenceLayer";
import { comparedEdgeRows, type EdgeRow } from "../src/compute/edgeRows";
import { type RowRules, summarize } from "../src/compute/headSummary";
import { PackedLayer } from "../src/compute/layerField";
import { LineList } from "../src/marks/lines";
import { editMarks, headsOff, lineMarkWords } from "../src/state/editMarks";
import { fieldOf, partsOf } from "../src/views/head/fieldParts";
import { linesAmong } from "../src/views/head/selectLines";
import { numberBeside, spokenNumber } from "../src/views/head/shadedNumbers";
import { pairedWord, substituteOf } from "../src/views/shared/counterparts";
import { heaviestEdges, pairEdge, readEdge, type Shown, statedEdge } from "../src/views/shared/weights";
import { listedEdges } from "../src/views/weights/rows";
import type { Token } from "../src/wire/messages";

const token = (text: string, id: number): Token => ({
  ...{ text, id, special: false, sentence: null, raw: false, continues: false },
});

/** One head, weights as 16-bit words: exact to 1e-5. */
function packed(rows: readonly (readonly number[])[]): PackedLayer {
  const header = { stack: "decoder", layer: 9, heads: 1, queries: rows.length, keys: rows[0].length };
  const words = Uint16Array.from(rows.flat(), (weight) => Math.round(65535 * Math.sqrt(weight)));
  return new PackedLayer({ ...header, error: 0, mask: "full", without: new Set() }, words);
}

// The second token of the current pass has no counterpart; the third one substitutes the second of the baseline.
const AFTER = packed([
  [0.6, 0.3, 0.1],
  [0.2, 0.5, 0.3],
  [0.05, 0.05, 0.9],
]);
const BEFORE = packed([
  [0.9, 0.1],
  [0.8, 0.2],
]);
const AT = { queries: [0, -1, 1], keys: [0, -1, 1], heads: 1 };
const both = new ComparedLayer(AFTER, BEFORE, AT);
const field = new DifferenceLayer(both);
const TOKENS = [token("The", 1), token(" old", 2), token(" She", 3)];
const COUNTERPARTS = [TOKENS[0], null, token(" He", 4)];
const SHOWN: Shown = {
  ...{ heads: [0], filter: "all", hiddenKeys: new Set<number>(), threshold: 0, top: null },
  ...{ queries: TOKENS, keys: TOKENS, counterparts: { query: COUNTERPARTS, key: COUNTERPARTS } },
};
const rules = (more: Partial<RowRules> = {}): RowRules => ({
  ...{
    queries: new Uint8Array(3).fill(1),
    keys: new Uint8Array(3).fill(1),
    counted: new Uint8Array(3).fill(1),
  },
  ...{ least: 0.006, top: null, hidden: [] },
  ...more,
});

describe("a difference in the views", () => {
  it("has after minus before at aligned tokens, and nothing elsewhere", () => {
    expect([...field.row(0, 0)].map((value) => value.toFixed(2))).toEqual(["-0.30", "0.00", "0.00"]);
    expect([...field.row(0, 1)]).toEqual([0, 0, 0]);
    expect(field.row(0, 2)[0]).toBeCloseTo(-0.75, 4);
    expect(field.row(0, 2)[2]).toBeCloseTo(0.7, 4);
  });

  it("follows exact rows that arrive later", () => {
    const own = new DifferenceLayer(
      new ComparedLayer(packed([[0.5, 0.5]]), packed([[0.1, 0.9]]), { ...AT, queries: [0], keys: [0, 1] }),
    );
    expect(own.row(0, 0)[0]).toBeCloseTo(0.4, 4);
    own.compared.current.correct(0, 0, Float32Array.of(0.6, 0.4), null);
    expect(own.row(0, 0)[0]).toBeCloseTo(0.5, 4);
  });

  it("counts what is drawn by magnitude", () => {
    const { dropped, total, received } = summarize(field, 0, rules({ least: 0.5 }));
    expect(total).toBeCloseTo(0.3 + 0.75 + 0.7, 3);
    expect(dropped).toBeCloseTo(0.3, 3);
    expect(received[0]).toBeCloseTo(0.75, 3);
    const top = summarize(field, 0, rules({ top: 1 }));
    expect(top.dropped).toBeCloseTo(0.7, 3);
  });

  it("draws lines of both signs, and keeps the largest magnitudes", () => {
    const all = { queries: [0, 3], keys: [0, 3] } as const;
    const { lines } = linesAmong(field, [0], rules(), () => null, all);
    const drawn = Array.from({ length: lines.count }, (_, at) => lines.weight[at].toFixed(2));
    expect(drawn).toEqual(["-0.30", "-0.75", "0.70"]);
    const list = new LineList();
    for (const weight of [0.1, -0.9, 0.5, -0.2]) list.add(0, 0, 0, weight);
    const kept = list.heaviest(2);
    expect([...kept.lines.weight.slice(0, 2)].map((value) => value.toFixed(1))).toEqual(["-0.9", "0.5"]);
    expect(kept.dropped).toBeCloseTo(0.3, 5);
  });

  it("ranks edges by magnitude and states them with a sign", () => {
    const place = { side: "query", index: 2 } as const;
    expect(heaviestEdges(field, SHOWN, place, 5).map(({ key }) => key)).toEqual([0, 2]);
    expect(listedEdges(field, { ...SHOWN, threshold: 0.72 }, place, 5).map(({ key }) => key)).toEqual([0]);
    const edge = { head: 0, query: 2, key: 2 };
    expect(readEdge(field, edge)).toMatchObject({ rank: 2, among: 2 });
    expect(statedEdge(field, edge).text).toBe("+.70");
    expect(statedEdge(field, { ...edge, key: 0 }).text).toBe("−.75");
    expect(statedEdge(field, { ...edge, key: 1 }).text).toBe("not aligned");
    expect(pairEdge(field, [0], [{ side: "key", index: 0 }], place)).toEqual({ head: 0, query: 2, key: 0 });
  });

  it("writes a number beside every token, and a dash where none is aligned", () => {
    const place = { side: "query", index: 2 } as const;
    const stripes = [{ head: 0, weights: field.row(0, 2) }];
    const source = { field, shown: SHOWN, place, stripes, readings: null };
    const texts = [0, 1, 2].map((other) => numberBeside(source, other)?.text);
    expect(texts).toEqual(["−.75", "–", "+.70"]);
    const spoken = numberBeside(source, 0);
    expect(spoken && spokenNumber(spoken, true)).toBe("difference −0.75");
  });

  it("writes weights before and after where they differ", () => {
    const place = { side: "query", index: 2 } as const;
    const stripes = [{ head: 0, weights: AFTER.row(0, 2) }];
    const source = {
      field: AFTER,
      shown: { ...SHOWN, counterparts: undefined },
      place,
      stripes,
      readings: both,
    };
    expect(numberBeside(source, 2)).toEqual({ text: ".90", before: ".20", quiet: false });
    expect(numberBeside(source, 1)).toEqual({ text: ".05", before: null, quiet: false });
  });

  it("is the same field after the way to a worker", () => {
    const there = fieldOf(structuredClone(partsOf(field)));
    expect([...there.row(0, 2)]).toEqual([...field.row(0, 2)]);
    expect(there.signed).toBe(true);
  });

  it("names a token in the place of another one", () => {
    expect(pairedWord(TOKENS, 2, COUNTERPARTS)).toBe("He / She");
    expect(substituteOf(COUNTERPARTS, TOKENS[0], 0)).toBeNull();
    expect(substituteOf(COUNTERPARTS, TOKENS[1], 1)).toBeNull();
  });
});

describe("marks of edits", () => {
  const marks = editMarks(
    [
      { type: "ScaleHead", layer: 9, head: 1, factor: 0.5 },
      { type: "ScaleHead", layer: 9, head: 1, factor: 0 },
      { type: "CutEdge", layer: 9, head: 2, query: 3, key: [0, 1] },
      { type: "SetAttention", layer: 9, head: 3, query: 3, key: 1, weight: 0.9 },
      { type: "ScaleNeuron", layer: 9, head: 4, dims: [1], factor: 2 },
      { type: "ScaleHead", layer: 8, head: 5, factor: 0 },
      { type: "AddVector", layer: 9, position: 1 },
    ],
    "decoder",
    9,
  );

  it("are those of the layer", () => {
    expect([...marks.heads]).toEqual([
      [1, { factor: 0 }],
      [2, { factor: null }],
      [3, { factor: null }],
      [4, { factor: null }],
    ]);
    expect(headsOff(marks)).toEqual([1]);
    expect(marks.lines).toEqual([
      { head: 2, query: 3, key: 0, weight: null },
      { head: 2, query: 3, key: 1, weight: null },
      { head: 3, query: 3, key: 1, weight: 0.9 },
    ]);
    expect(lineMarkWords(marks, { head: 3, query: 3, key: 1 })).toBe("set by a change");
    expect(lineMarkWords(marks, { head: 2, query: 3, key: 0 })).toBe("cut by a change");
    expect(lineMarkWords(marks, { head: 2, query: 2, key: 0 })).toBeNull();
  });
});

describe("heads for a pair in two passes", () => {
  const row = (layer: number, head: number, weight: number): EdgeRow => ({
    ...{ layer, head, weight, rank: 1, among: 4, score: 0 },
  });

  it("are sorted by the magnitude of the difference, heads of one pass last", () => {
    const after = [row(0, 1, 0.9), row(0, 0, 0.5), row(1, 0, 0.1), row(2, 0, 0.1)];
    const before = [row(0, 0, 0.45), row(0, 1, 0.8), row(1, 0, 0.7)];
    const rows = comparedEdgeRows(after, before, "difference");
    expect(rows.map(({ layer, head }) => `${layer}.${head}`)).toEqual(["1.0", "0.1", "0.0", "2.0"]);
    expect(rows[0].both?.difference).toBeCloseTo(-0.6, 6);
    expect(rows[3].both).toMatchObject({ before: null, difference: null });
    const shownBefore = comparedEdgeRows(before, after, "before");
    expect(shownBefore[0].both?.difference).toBeCloseTo(0.05, 6);
  });
});
