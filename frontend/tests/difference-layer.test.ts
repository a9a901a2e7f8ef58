import { describe, expect, it } from "vitest";
import { ComparedLayer, DifferenceLayer } from "../src/compute/differenceLayer";
import { PackedLayer } from "../src/compute/layerField";

/** One head with these weights, which must be squares of whole 255ths. */
function layer(weights: readonly (readonly number[])[]): PackedLayer {
  const header = {
    ...{ stack: "decoder", layer: 3, heads: 1, queries: weights.length, keys: weights[0].length },
    ...{ error: 0, mask: "causal", without: new Set<number>() },
  };
  return new PackedLayer(
    header,
    Uint8Array.from(weights.flat(), (weight) => Math.round(255 * Math.sqrt(weight))),
  );
}

const root = (byte: number): number => (byte / 255) ** 2;
const CURRENT = layer([
  [1, 0, 0],
  [root(51), root(204), 0],
  [root(102), root(153), root(204)],
]);
const BASELINE = layer([
  [1, 0],
  [root(204), root(51)],
]);
/** The second token of the current pass has no counterpart. */
const CORRESPONDENCE = { queries: [0, -1, 1], keys: [0, -1, 1], heads: 1 };
const compared = new ComparedLayer(CURRENT, BASELINE, CORRESPONDENCE);
const difference = new DifferenceLayer(compared);

describe("the difference of two passes", () => {
  it("is the current weight minus the one of the aligned tokens", () => {
    const row = difference.row(0, 2);
    expect(row[0]).toBeCloseTo(0.16 - 0.64, 6);
    expect(row[2]).toBeCloseTo(0.64 - 0.04, 6);
    expect(difference.column(0, 0)?.[2]).toBeCloseTo(0.16 - 0.64, 6);
  });

  it("is nothing where a token has no counterpart", () => {
    expect([...difference.row(0, 1)]).toEqual([0, 0, 0]);
    expect(difference.row(0, 2)[1]).toBe(0);
    expect(difference.aligned(0, 2, 1)).toBe(false);
    expect(difference.aligned(0, 2, 2)).toBe(true);
    expect(difference.allowed(0, 2, 1)).toBe(false);
    expect([...(difference.column(0, 1) ?? [])]).toEqual([0, 0, 0]);
  });

  it("is nothing for a head that the baseline does not have", () => {
    const none = new DifferenceLayer(new ComparedLayer(CURRENT, BASELINE, { ...CORRESPONDENCE, heads: 0 }));
    expect([...none.row(0, 2)]).toEqual([0, 0, 0]);
  });

  it("renormalizes each pass before it subtracts", () => {
    const row = difference.renormalized(new Set([0])).row(0, 2);
    expect(row[2]).toBeCloseTo(0.64 / (0.36 + 0.64) - 1, 6);
    expect(row[0]).toBe(0);
  });

  it("names both numbers, from either pass", () => {
    expect(compared.read(0, 2, 0).before).toBeCloseTo(0.64, 6);
    expect(compared.read(0, 2, 0).after).toBeCloseTo(0.16, 6);
    expect(compared.read(0, 2, 1)).toMatchObject({ before: null });
    expect(compared.readAt(0, 1, 1).after).toBeCloseTo(0.64, 6);
    expect(compared.readAt(0, 1, 1).before).toBeCloseTo(0.04, 6);
  });
});
