/**
 * Computes the attention of one layer from its queries and keys: rows, columns and normalizers, on demand, with float64
 * accumulation. Pure and without DOM, so it runs in a worker as well as on the main thread.
 */

import { biasAt, type LayerData, roundingOf } from "./layerData";

/** Rows, columns and normalizers of one layer. Scores of masked keys are −∞. */
export class Kernel {
  /** For an edited layer: the position in `rows` of a row (head · queries + query), and the keys cut from a row. */
  readonly #rows = new Map<number, number>();
  readonly #cuts = new Map<number, Set<number>>();

  constructor(readonly layer: LayerData) {
    const { rowsAt, cuts, queries } = layer;
    for (let n = 0; n < (rowsAt?.length ?? 0) / 2; n++) {
      const [head, query] = (rowsAt as Int32Array).subarray(2 * n);
      this.#rows.set(head * queries + query, n);
    }
    for (let n = 0; n < (cuts?.length ?? 0) / 3; n++) {
      const [head, query, key] = (cuts as Int32Array).subarray(3 * n);
      const row = head * queries + query;
      this.#cuts.set(row, (this.#cuts.get(row) ?? new Set()).add(key));
    }
  }

  /** Whether an edit cut the edge, which makes its score −∞. */
  cut(head: number, query: number, key: number): boolean {
    return this.#cuts.get(head * this.layer.queries + query)?.has(key) ?? false;
  }

  /** Whether `key` is not masked for `query` in `head`. */
  allowed(head: number, query: number, key: number): boolean {
    const { lo, hi, valid, bits, bitsPerHead, queries, keys } = this.layer;
    if (valid !== null && valid[key] === 0) return false;
    if (bits !== null) {
      const at = ((bitsPerHead ? head : 0) * queries + query) * Math.ceil(keys / 8) + (key >> 3);
      return (bits[at] & (1 << (key & 7))) !== 0;
    }
    return key >= (lo as Int32Array)[query] && key < (hi as Int32Array)[query];
  }

  /** Scores of one query against every key, with soft cap, bias and mask applied. */
  scores(head: number, query: number, out: Float32Array = new Float32Array(this.layer.keys)): Float32Array {
    const { lo, hi, bits, keys } = this.layer;
    const begin = bits === null ? Math.max(0, (lo as Int32Array)[query]) : 0;
    const end = bits === null ? Math.min(keys, (hi as Int32Array)[query]) : keys;
    out.fill(Number.NEGATIVE_INFINITY);
    this.#products(head, query, begin, end, out);
    const plain = this.layer.softcap === null && this.layer.biasKind === null;
    const { valid } = this.layer;
    if (!plain || bits !== null) {
      for (let key = begin; key < end; key++) out[key] = this.#finished(head, query, key, out[key]);
    } else if (valid !== null) {
      for (let key = begin; key < end; key++) if (valid[key] === 0) out[key] = Number.NEGATIVE_INFINITY;
    }
    const cuts = this.#cuts.get(head * this.layer.queries + query);
    if (cuts !== undefined) for (const key of cuts) out[key] = Number.NEGATIVE_INFINITY;
    return out;
  }

  /** Attention of one query: a softmax over the keys that are not masked, or all zeros if every key is masked. */
  attention(
    head: number,
    query: number,
    out: Float32Array = new Float32Array(this.layer.keys),
  ): Float32Array {
    this.attend(head, query, out);
    return out;
  }

  /** Writes the attention of one query into `out` and returns its normalizer, −∞ if every key is masked. */
  attend(head: number, query: number, out: Float32Array): number {
    this.scores(head, query, out);
    const normalizer = this.#logSum(head, out);
    const edited = this.editedRow(head, query);
    if (edited !== null) {
      out.set(edited);
      return normalizer;
    }
    if (normalizer === Number.NEGATIVE_INFINITY) {
      out.fill(0);
      return normalizer;
    }
    for (let key = 0; key < out.length; key++) {
      const score = out[key];
      out[key] = score === Number.NEGATIVE_INFINITY ? 0 : Math.exp(score - normalizer);
    }
    return normalizer;
  }

  /** The logarithm of a row's softmax denominator, including a learned sink: attention = exp(score − normalizer). */
  normalizer(head: number, query: number, scratch: Float32Array = new Float32Array(this.layer.keys)): number {
    return this.#logSum(head, this.scores(head, query, scratch));
  }

  /** One score, with soft cap, bias and mask applied. */
  score(head: number, query: number, key: number): number {
    const { q, k, queries, keys, dim, kvHeads, heads, scaling } = this.layer;
    const group = Math.floor((head * kvHeads) / heads);
    const q0 = (head * queries + query) * dim;
    const mean = this.#mean(group);
    const product =
      dot(q, q0, k, (group * keys + key) * dim, dim) + (mean === null ? 0 : dot(q, q0, mean, 0, dim));
    return this.#finished(head, query, key, product * scaling);
  }

  /** The error of a score due to the rounding of q and k: as measured by the host, or else three standard deviations. */
  scoreError(head: number, query: number, key: number): number {
    const { q, k, queries, keys, dim, kvHeads, heads, scaling, dotError } = this.layer;
    if (dotError !== undefined) return dotError * scaling;
    const group = Math.floor((head * kvHeads) / heads);
    const mean = this.#mean(group);
    const [q0, k0] = [(head * queries + query) * dim, (group * keys + key) * dim];
    let squares = 0;
    for (let d = 0; d < dim; d++) squares += (q[q0 + d] * (k[k0 + d] + (mean?.[d] ?? 0))) ** 2;
    return 3 * roundingOf(this.layer) * Math.sqrt((2 * squares) / 3) * scaling;
  }

  /** Attention of every query to one key, from the normalizers of the rows. */
  column(
    head: number,
    key: number,
    normalizers: Float32Array,
    out = new Float32Array(this.layer.queries),
  ): Float32Array {
    const { q, queries, dim, kvHeads, heads, k, scaling } = this.layer;
    const group = Math.floor((head * kvHeads) / heads);
    const k0 = (group * this.layer.keys + key) * dim;
    const mean = this.#mean(group);
    for (let query = 0; query < queries; query++) {
      const edited = this.#rows.size === 0 ? null : this.editedRow(head, query);
      if (edited !== null) {
        out[query] = edited[key];
        continue;
      }
      if (normalizers[query] === Number.NEGATIVE_INFINITY || !this.allowed(head, query, key)) {
        out[query] = 0;
        continue;
      }
      const q0 = (head * queries + query) * dim;
      let sum = dot(q, q0, k, k0, dim);
      if (mean !== null) sum += dot(q, q0, mean, 0, dim);
      out[query] = Math.exp(this.#finished(head, query, key, sum * scaling) - normalizers[query]);
    }
    return out;
  }

  /** Scaled dot products of one query with keys begin ≤ j < end, four keys at a time. */
  #products(head: number, query: number, begin: number, end: number, out: Float32Array): void {
    const { q, k, queries, keys, dim, scaling, heads, kvHeads } = this.layer;
    const group = Math.floor((head * kvHeads) / heads);
    const q0 = (head * queries + query) * dim;
    const mean = this.#mean(group);
    const offset = mean === null ? 0 : dot(q, q0, mean, 0, dim) * scaling;
    const row = q.subarray(q0, q0 + dim);
    let at = (group * keys + begin) * dim;
    let key = begin;
    for (; key + 4 <= end; key += 4, at += 4 * dim) {
      let s0 = 0;
      let s1 = 0;
      let s2 = 0;
      let s3 = 0;
      const k1 = at + dim;
      const k2 = k1 + dim;
      const k3 = k2 + dim;
      for (let d = 0; d < dim; d++) {
        const value = row[d];
        s0 += value * k[at + d];
        s1 += value * k[k1 + d];
        s2 += value * k[k2 + d];
        s3 += value * k[k3 + d];
      }
      out[key] = s0 * scaling + offset;
      out[key + 1] = s1 * scaling + offset;
      out[key + 2] = s2 * scaling + offset;
      out[key + 3] = s3 * scaling + offset;
    }
    for (; key < end; key++, at += dim) out[key] = dot(q, q0, k, at, dim) * scaling + offset;
  }

  /** The weights of a row that an edit changed; null for other rows. */
  editedRow(head: number, query: number): Float32Array | null {
    const { rows, queries, keys } = this.layer;
    const at = this.#rows.get(head * queries + query);
    return at === undefined || rows == null ? null : rows.subarray(at * keys, (at + 1) * keys);
  }

  #mean(group: number): Float32Array | null {
    const { kMean, dim } = this.layer;
    return kMean === null ? null : kMean.subarray(group * dim, (group + 1) * dim);
  }

  /** Applies soft cap, bias and mask, in that order, to a scaled dot product. */
  #finished(head: number, query: number, key: number, product: number): number {
    const { softcap } = this.layer;
    if (!this.allowed(head, query, key) || this.cut(head, query, key)) return Number.NEGATIVE_INFINITY;
    const score = softcap === null ? product : softcap * Math.tanh(product / softcap);
    return score + biasAt(this.layer, head, query, key);
  }

  #logSum(head: number, scores: Float32Array): number {
    const { sink } = this.layer;
    let top = Number.NEGATIVE_INFINITY;
    for (let key = 0; key < scores.length; key++) if (scores[key] > top) top = scores[key];
    if (top === Number.NEGATIVE_INFINITY) return top;
    if (sink !== null) top = Math.max(top, sink[head]);
    let sum = sink === null ? 0 : Math.exp(sink[head] - top);
    for (let key = 0; key < scores.length; key++) {
      if (scores[key] !== Number.NEGATIVE_INFINITY) sum += Math.exp(scores[key] - top);
    }
    return top + Math.log(sum);
  }
}

function dot(a: Float32Array, a0: number, b: Float32Array, b0: number, count: number): number {
  // Four independent sums, since a single one would wait for each addition to finish.
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let d = 0;
  for (; d + 4 <= count; d += 4) {
    s0 += a[a0 + d] * b[b0 + d];
    s1 += a[a0 + d + 1] * b[b0 + d + 1];
    s2 += a[a0 + d + 2] * b[b0 + d + 2];
    s3 += a[a0 + d + 3] * b[b0 + d + 3];
  }
  for (; d < count; d++) s0 += a[a0 + d] * b[b0 + d];
  return s0 + s1 + s2 + s3;
}
