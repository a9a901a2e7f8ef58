/**
 * How one query's scores are computed, neuron by neuron (Vig 2019, section 2.3): the query, every key, their elementwise
 * products, the sums of these, and the steps from there to the softmax. Pure, without DOM.
 */

import { Kernel } from "./kernel";
import { biasAt, type LayerData, roundingOf } from "./layerData";

/** q and k of one head, as used for the scores. */
export interface HeadVectors {
  readonly data: LayerData;
  readonly head: number;
  readonly queries: number;
  readonly keys: number;
  readonly dim: number;
  /** [query, dim] */
  readonly q: Float32Array;
  /** [key, dim], with the mean over the keys added back if it was subtracted. */
  readonly k: Float32Array;
  /** Maximum relative error of an entry of q or k: half a unit in the last place of the numbers sent. */
  readonly rounding: number;
}

/** One query against every key. */
export interface QueryTrace {
  readonly query: number;
  readonly keys: number;
  readonly dim: number;
  /** q × k, elementwise, [key, dim]. */
  readonly products: Float32Array;
  /** q · k: the sum of a key's products. */
  readonly dots: Float64Array;
  /** The scaled product after the soft cap; null if the layer has none. */
  readonly capped: Float64Array | null;
  /** The bias of each score; null if the layer has none. */
  readonly bias: Float64Array | null;
  /** The input of the softmax: scaling, cap, bias and mask applied. −∞ for masked keys. */
  readonly scores: Float64Array;
  readonly allowed: Uint8Array;
  /** Whether an edit set the weights of this row, so that they are not the softmax of the scores. */
  readonly set: boolean;
  /** Whether all numbers are differences of two passes. */
  readonly signed?: boolean;
  /** The error of the differences of q · k; absent for a single pass. */
  readonly dotError?: number;
}

/** The contribution of one dimension to one score. */
export interface Contribution {
  readonly q: number;
  readonly k: number;
  readonly product: number;
  /** product · scaling: the dimension's contribution to the score, before a cap or a bias. */
  readonly scaled: number;
  /** Fraction of q · k; negative if it opposes the sum, null if the sum is zero. */
  readonly share: number | null;
}

/** A weight that differs by this much from the softmax of its score differs by more than rounding. */
const FAR_OFF = 1e-3;

const wholeKeys = new WeakMap<LayerData, Map<number, Float32Array>>();

/** The vectors of a head. Heads of a query group share one array of keys. */
export function headVectors(data: LayerData, head: number): HeadVectors {
  const { queries, keys, dim, kvHeads, heads, q } = data;
  const group = Math.floor((head * kvHeads) / heads);
  const from = head * queries * dim;
  return {
    data,
    head,
    queries,
    keys,
    dim,
    q: q.subarray(from, from + queries * dim),
    k: keysOf(data, group),
    rounding: roundingOf(data),
  };
}

function keysOf(data: LayerData, group: number): Float32Array {
  const { keys, dim, k, kMean } = data;
  const from = group * keys * dim;
  const sent = k.subarray(from, from + keys * dim);
  if (kMean === null) return sent;
  const known = wholeKeys.get(data) ?? new Map<number, Float32Array>();
  wholeKeys.set(data, known);
  let whole = known.get(group);
  if (whole === undefined) {
    whole = sent.map((value, at) => value + kMean[group * dim + (at % dim)]);
    known.set(group, whole);
  }
  return whole;
}

/** Computes every step from one query to its softmax. */
export function traceQuery(vectors: HeadVectors, query: number): QueryTrace {
  const { data, head, keys, dim, q, k } = vectors;
  const kernel = new Kernel(data);
  const row = q.subarray(query * dim, (query + 1) * dim);
  const products = new Float32Array(keys * dim);
  const dots = new Float64Array(keys);
  const scores = new Float64Array(keys);
  const allowed = new Uint8Array(keys);
  const capped = data.softcap === null ? null : new Float64Array(keys);
  const bias = data.bias === null ? null : new Float64Array(keys);
  for (let key = 0; key < keys; key++) {
    const at = key * dim;
    let sum = 0;
    for (let n = 0; n < dim; n++) {
      products[at + n] = row[n] * k[at + n];
      sum += products[at + n];
    }
    dots[key] = sum;
    allowed[key] = kernel.allowed(head, query, key) ? 1 : 0;
    let score = sum * data.scaling;
    if (capped !== null && data.softcap !== null) {
      score = data.softcap * Math.tanh(score / data.softcap);
      capped[key] = score;
    }
    if (bias !== null) {
      bias[key] = biasAt(data, head, query, key);
      score += bias[key];
    }
    const open = allowed[key] === 1 && !kernel.cut(head, query, key);
    scores[key] = open ? score : Number.NEGATIVE_INFINITY;
  }
  const set = isSet(kernel, head, query, scores);
  return { query, keys, dim, products, dots, capped, bias, scores, allowed, set };
}

/** Whether an edit set weights that clearly differ from the softmax of the scores. A cut edge alone does not. */
function isSet(kernel: Kernel, head: number, query: number, scores: Float64Array): boolean {
  const edited = kernel.editedRow(head, query);
  const normalizer = edited === null ? 0 : kernel.normalizer(head, query);
  return (
    edited?.some((weight, key) => Math.abs(weight - Math.exp(scores[key] - normalizer)) > FAR_OFF) ?? false
  );
}

/** Whether an edit cut the edge to a key that is not masked. */
export function isCut(trace: QueryTrace, weights: ArrayLike<number>, key: number): boolean {
  return trace.allowed[key] === 1 && trace.scores[key] === Number.NEGATIVE_INFINITY && weights[key] === 0;
}

/** The contribution of dimension `n` to the score of `key`. */
export function contribution(vectors: HeadVectors, trace: QueryTrace, key: number, n: number): Contribution {
  const product = trace.products[key * trace.dim + n];
  const sum = trace.dots[key];
  return {
    q: vectors.q[trace.query * trace.dim + n],
    k: vectors.k[key * trace.dim + n],
    product,
    scaled: product * vectors.data.scaling,
    share: Math.abs(sum) < 1e-9 ? null : product / sum,
  };
}

/** The joint contribution of several dimensions, such as a pair, to the score of `key`. */
export function together(
  vectors: HeadVectors,
  trace: QueryTrace,
  key: number,
  dimensions: readonly number[],
): Pick<Contribution, "product" | "scaled" | "share"> {
  const product = dimensions.reduce((sum, n) => sum + trace.products[key * trace.dim + n], 0);
  const whole = trace.dots[key];
  return {
    product,
    scaled: product * vectors.data.scaling,
    share: Math.abs(whole) < 1e-9 ? null : product / whole,
  };
}

/** The unmasked key with the largest magnitude in `weights`; null if every key is masked. */
export function strongestKey(trace: QueryTrace, weights: ArrayLike<number>): number | null {
  let best: number | null = null;
  for (let key = 0; key < trace.keys; key++) {
    if (trace.allowed[key] !== 1) continue;
    if (best === null || Math.abs(weights[key]) > Math.abs(weights[best])) best = key;
  }
  return best;
}

/** The error of q · k due to the rounding of q and k: as measured by the host, or else three standard deviations. */
export function dotError(vectors: HeadVectors, trace: QueryTrace, key: number): number {
  if (vectors.data.dotError !== undefined) return vectors.data.dotError;
  const from = key * trace.dim;
  let squares = 0;
  for (let n = 0; n < trace.dim; n++) squares += trace.products[from + n] ** 2;
  // Each of the two factors has a relative error uniform within ±`rounding`, with variance rounding²/3.
  return 3 * vectors.rounding * Math.sqrt((2 * squares) / 3);
}

/** Maximum difference, over unmasked keys, between scores summed from the cells and scores computed another way. */
export function disagreement(trace: QueryTrace, score: (key: number) => number | null): number {
  let most = 0;
  for (let key = 0; key < trace.keys; key++) {
    if (trace.allowed[key] === 0) continue;
    const other = score(key);
    // A cut edge has a score of −∞ both ways. The difference would be NaN, so it is skipped.
    if (other !== null && other !== trace.scores[key] && !Number.isNaN(trace.scores[key]))
      most = Math.max(most, Math.abs(other - trace.scores[key]));
  }
  return most;
}

/** The share of a row's attention taken by the head's learned sink; null if the head has none. */
export function sinkMass(vectors: HeadVectors, weights: Float32Array): number | null {
  if (vectors.data.sink === null) return null;
  let sum = 0;
  for (let key = 0; key < weights.length; key++) sum += weights[key];
  return Math.max(0, 1 - sum);
}

/** Magnitudes of an array. */
export interface Span {
  readonly largest: number;
  /** A magnitude that all but a few values stay below, used for full color. */
  readonly usual: number;
}

const BINS = 1024;

/** The magnitudes of `values[from … to)`; `usual` is the quantile at the requested share. */
export function spanOf(values: ArrayLike<number>, share: number, from = 0, to = values.length): Span {
  let largest = 0;
  for (let at = from; at < to; at++) largest = Math.max(largest, Math.abs(values[at]));
  if (largest === 0) return { largest, usual: 0 };
  const counts = new Uint32Array(BINS);
  for (let at = from; at < to; at++) {
    counts[Math.min(BINS - 1, Math.floor((Math.abs(values[at]) / largest) * BINS))] += 1;
  }
  let below = 0;
  for (let bin = 0; bin < BINS; bin++) {
    below += counts[bin];
    if (below >= share * (to - from)) return { largest, usual: (largest * (bin + 1)) / BINS };
  }
  return { largest, usual: largest };
}
