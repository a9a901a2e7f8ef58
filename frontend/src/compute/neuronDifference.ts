/** The steps from a query to its scores in the current pass minus those in the baseline, at tokens that are aligned. Pure. */

import type { Correspondence } from "./differenceLayer";
import type { LayerData } from "./layerData";
import { dotError, type HeadVectors, type QueryTrace, traceQuery } from "./neuron";

/** Why the neurons of two layers have no differences, in a sentence; null if they have. */
export function neuronObstacle(after: LayerData, before: LayerData): string | null {
  if (after.dim !== before.dim)
    return `The heads of the two passes have ${after.dim} and ${before.dim} dimensions, so their neurons cannot be compared.`;
  if (after.scaling !== before.scaling || after.softcap !== before.softcap)
    return "The two models compute their scores from q · k in different ways, so their neurons cannot be compared.";
  return null;
}

/** q and k after minus before, at the tokens of the current pass; zeros where a token is not aligned. */
export function differenceVectors(after: HeadVectors, before: HeadVectors, at: Correspondence): HeadVectors {
  const { dim } = after;
  const subtract = (own: Float32Array, other: Float32Array, places: readonly number[]): Float32Array => {
    const out = new Float32Array(own.length);
    places.forEach((from, index) => {
      if (from < 0) return;
      for (let n = 0; n < dim; n++) out[index * dim + n] = own[index * dim + n] - other[from * dim + n];
    });
    return out;
  };
  return {
    ...after,
    q: subtract(after.q, before.q, at.queries),
    k: subtract(after.k, before.k, at.keys),
    rounding: after.rounding + before.rounding,
  };
}

/**
 * The steps of one query, after minus before. A product is the difference of the products, not the product of the differences.
 * `allowed` are the keys that are aligned and visible in both passes; the difference of two scores is NaN if either is −∞.
 */
export function differenceTrace(
  after: HeadVectors,
  before: HeadVectors,
  at: Correspondence,
  query: number,
): QueryTrace {
  const { keys, dim } = after;
  const own = traceQuery(after, query);
  const from = at.queries[query] ?? -1;
  const other = from < 0 ? null : traceQuery(before, from);
  const numbers = () => new Float64Array(keys);
  const out = {
    ...{ products: new Float32Array(keys * dim), dots: numbers(), scores: numbers().fill(Number.NaN) },
    capped: own.capped && numbers(),
    bias: own.bias && other?.bias ? numbers() : null,
    allowed: new Uint8Array(keys),
  };
  let error = 0;
  for (let key = 0; key < keys; key++) {
    const there = at.keys[key] ?? -1;
    if (other === null || there < 0) continue;
    out.allowed[key] = own.allowed[key] & other.allowed[there];
    for (let n = 0; n < dim; n++)
      out.products[key * dim + n] = own.products[key * dim + n] - other.products[there * dim + n];
    out.dots[key] = own.dots[key] - other.dots[there];
    const score = own.scores[key] - other.scores[there];
    if (Number.isFinite(score)) out.scores[key] = score;
    if (out.capped && own.capped && other.capped) out.capped[key] = own.capped[key] - other.capped[there];
    if (out.bias && own.bias && other.bias) out.bias[key] = own.bias[key] - other.bias[there];
    error = Math.max(error, dotError(after, own, key) + dotError(before, other, there));
  }
  return { query, keys, dim, ...out, set: false, signed: true, dotError: error };
}
