import { describe, expect, it } from "vitest";
import { Kernel } from "../src/compute/kernel";
import { type LayerData, layerData, withoutKeys } from "../src/compute/layerData";
import { ComputedLayer } from "../src/compute/layerField";
import { disagreement, headVectors, isCut, traceQuery } from "../src/compute/neuron";
import { signed } from "../src/marks/format";
import { readMessage } from "../src/wire/readMessage";
import { golden, goldenBytes } from "./golden";

/** A layer of which an edit set row 2 of head 1, and cut the edge of head 0 from query 2 to key 1. */
function edited(): { data: LayerData; plain: number[][][] } {
  const message = readMessage(goldenBytes("key-bias"));
  if (message.type !== "layer") throw new Error("no layer");
  const row = new Float32Array(2 * message.keys);
  row.set([0, 0.75, 0.25], message.keys);
  row[0] = 1;
  const data = {
    ...layerData(message),
    rowsAt: new Int32Array([0, 2, 1, 2]),
    rows: row,
    cuts: new Int32Array([0, 2, 1]),
  };
  return { data, plain: golden("key-bias").attention as number[][][] };
}

describe("an edited layer", () => {
  it("has the rows that edits made, and all others from q and k", () => {
    const { data, plain } = edited();
    const kernel = new Kernel(data);
    expect([...kernel.attention(1, 2)].slice(0, 3)).toEqual([0, 0.75, 0.25]);
    expect(kernel.attention(1, 1)[0]).toBeCloseTo(plain[1][1][0], 5);
    const normalizers = Float32Array.from({ length: data.queries }, (_, query) =>
      kernel.normalizer(1, query),
    );
    expect(kernel.column(1, 1, normalizers)[2]).toBe(0.75);
    expect(kernel.column(1, 1, normalizers)[1]).toBeCloseTo(plain[1][1][1], 5);
  });

  it("shows a score of −∞ at a cut edge, and no other", () => {
    const kernel = new Kernel(edited().data);
    const trace = traceQuery(headVectors(edited().data, 0), 2);
    for (const score of [kernel.score(0, 2, 1), kernel.scores(0, 2)[1], trace.scores[1]])
      expect(score).toBe(Number.NEGATIVE_INFINITY);
    expect(kernel.allowed(0, 2, 1)).toBe(true);
    expect([0, 1, 2].map((key) => isCut(trace, kernel.attention(0, 2), key))).toEqual([false, true, false]);
    expect(signed(trace.scores[1], 2)).toBe("−∞");
    expect(disagreement(trace, (key) => kernel.score(0, 2, key))).toBeLessThan(1e-5);
    expect(trace.set).toBe(true); // the row is all on key 0
    expect(traceQuery(headVectors(edited().data, 0), 1).set).toBe(false);
    expect(kernel.score(0, 2, 0)).toBeGreaterThan(Number.NEGATIVE_INFINITY);
    expect(kernel.score(1, 2, 1)).toBeGreaterThan(Number.NEGATIVE_INFINITY);
  });

  it("brings a set row back to a sum of 1 where keys are hidden", () => {
    const { data } = edited();
    const row = new Kernel(withoutKeys(data, new Set([1]))).attention(1, 2);
    expect([...row].slice(0, 3)).toEqual([0, 0, 1]);
    const header = { stack: "decoder", layer: 0, error: 0, mask: "full", without: new Set<number>() };
    const whole = new ComputedLayer({ ...header, heads: 2, queries: data.queries, keys: data.keys }, data);
    const hidden = whole.renormalized(new Set([1]));
    expect(hidden.removedAttention(1, 2, 0)).toBeCloseTo(0.75);
  });
});
