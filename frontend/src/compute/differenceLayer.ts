/** The numbers of one pass minus those of another, in the layer and the positions of the current pass. */

import type { LayerField, Normalizers } from "./layerField";

/** Which rows, columns and heads of a layer correspond to those of the baseline. */
export interface Correspondence {
  /** For each query of the current pass: the query of the baseline, or -1. */
  readonly queries: readonly number[];
  readonly keys: readonly number[];
  /** How many heads of the layer correspond, by index. */
  readonly heads: number;
}

/** A number in both passes; null where it has no counterpart. */
export interface Reading {
  readonly before: number | null;
  readonly after: number | null;
}

/** Two fields of the same layer, with the positions that correspond. */
export class ComparedLayer {
  constructor(
    readonly current: LayerField,
    readonly baseline: LayerField,
    readonly correspondence: Correspondence,
  ) {}

  /** Whether a head, a query and a key have counterparts in the baseline. */
  aligned(head: number, query: number, key: number): boolean {
    const { queries, keys, heads } = this.correspondence;
    return head < heads && (queries[query] ?? -1) >= 0 && (keys[key] ?? -1) >= 0;
  }

  /** A weight in both passes, at a place of the current one. */
  read(head: number, query: number, key: number): Reading {
    const after = this.current.row(head, query)[key];
    if (!this.aligned(head, query, key)) return { before: null, after };
    const { queries, keys } = this.correspondence;
    return { before: this.baseline.row(head, queries[query])[keys[key]], after };
  }

  /** The same at a place of the baseline. */
  readAt(head: number, query: number, key: number): Reading {
    const before = this.baseline.row(head, query)[key];
    const { queries, keys, heads } = this.correspondence;
    const [q, k] = [queries.indexOf(query), keys.indexOf(key)];
    const after = q < 0 || k < 0 || head >= heads ? null : this.current.row(head, q)[k];
    return { before, after };
  }

  /** Both passes without some keys of the current one, and their counterparts, each renormalized. */
  renormalized(without: ReadonlySet<number>): ComparedLayer {
    const { keys } = this.correspondence;
    const there = [...without].flatMap((key) => ((keys[key] ?? -1) < 0 ? [] : [keys[key]]));
    const [current, baseline] = [
      this.current.renormalized(without),
      this.baseline.renormalized(new Set(there)),
    ];
    return new ComparedLayer(current, baseline, this.correspondence);
  }
}

/** Rows in the cache of a difference. */
const MOST_ROWS = 4096;

/** A row that is all zeros where nothing corresponds. */
export class DifferenceLayer implements LayerField {
  readonly signed = true;
  readonly stack: string;
  readonly layer: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly error: number;
  readonly mask: string;
  readonly without: ReadonlySet<number>;
  /** Rows with the two rows that they come from, which the host may replace by exact ones. */
  readonly #rows = new Map<number, { readonly from: readonly Float32Array[]; readonly out: Float32Array }>();
  readonly #filled = new Map<number, { readonly current: Float32Array; readonly baseline: Float32Array }>();

  constructor(readonly compared: ComparedLayer) {
    const { current, baseline } = compared;
    ({
      stack: this.stack,
      layer: this.layer,
      heads: this.heads,
      queries: this.queries,
      keys: this.keys,
      mask: this.mask,
      without: this.without,
    } = current);
    this.error = current.error + baseline.error;
  }

  aligned(head: number, query: number, key: number): boolean {
    return this.compared.aligned(head, query, key);
  }

  row(head: number, query: number): Float32Array {
    const { current, baseline, correspondence } = this.compared;
    const other = correspondence.queries[query] ?? -1;
    if (other < 0 || head >= correspondence.heads) return new Float32Array(this.keys);
    const from = [current.row(head, query), baseline.row(head, other)];
    const at = head * this.queries + query;
    const known = this.#rows.get(at);
    if (known !== undefined && known.from[0] === from[0] && known.from[1] === from[1]) return known.out;
    const out = this.#subtract(new Float32Array(this.keys), from[0], from[1]);
    if (this.#rows.size >= MOST_ROWS) this.#rows.clear();
    this.#rows.set(at, { from, out });
    return out;
  }

  column(head: number, key: number): Float32Array | null {
    const { current, baseline, correspondence } = this.compared;
    const out = new Float32Array(this.queries);
    const other = correspondence.keys[key] ?? -1;
    if (other < 0 || head >= correspondence.heads) return out;
    const [after, before] = [current.column(head, key), baseline.column(head, other)];
    if (after === null || before === null) return null;
    correspondence.queries.forEach((from, query) => {
      if (from >= 0) out[query] = after[query] - before[from];
    });
    return out;
  }

  score(head: number, query: number, key: number): number | null {
    if (!this.aligned(head, query, key)) return null;
    const { current, baseline, correspondence } = this.compared;
    const after = current.score(head, query, key);
    const before = baseline.score(head, correspondence.queries[query], correspondence.keys[key]);
    if (after === null || before === null) return null;
    const difference = after - before;
    return Number.isFinite(difference) ? difference : null;
  }

  scoreError(head: number, query: number, key: number): number {
    if (!this.aligned(head, query, key)) return 0;
    const { current, baseline, correspondence } = this.compared;
    const { queries, keys } = correspondence;
    return current.scoreError(head, query, key) + baseline.scoreError(head, queries[query], keys[key]);
  }

  /** Whether there is a number: the key is visible to the query in one of the passes, and both tokens are aligned. */
  allowed(head: number, query: number, key: number): boolean {
    if (!this.aligned(head, query, key)) return false;
    const { current, baseline, correspondence } = this.compared;
    const { queries, keys } = correspondence;
    return current.allowed(head, query, key) || baseline.allowed(head, queries[query], keys[key]);
  }

  exact(head: number, query: number): boolean {
    const { current, baseline, correspondence } = this.compared;
    const from = correspondence.queries[query] ?? -1;
    return current.exact(head, query) && (from < 0 || baseline.exact(head, from));
  }

  fill(head: number, query: number, out: Float32Array): null {
    const { current, baseline, correspondence } = this.compared;
    const filled = this.#normalizersOf(head);
    const [after, before] = [new Float32Array(current.keys), new Float32Array(baseline.keys)];
    filled.current[query] = current.fill(head, query, after) ?? Number.NaN;
    out.fill(0);
    const other = correspondence.queries[query] ?? -1;
    if (other < 0 || head >= correspondence.heads) return null;
    filled.baseline[other] = baseline.fill(head, other, before) ?? Number.NaN;
    this.#subtract(out, after, before);
    return null;
  }

  /** The normalizers of a head in both passes, once `fill` has been called for every query. */
  normalizers(head: number): Normalizers {
    const { current, baseline, correspondence } = this.compared;
    const filled = this.#normalizersOf(head);
    const all = (field: LayerField, values: Float32Array): Float32Array | null => {
      const row = new Float32Array(field.keys);
      for (let query = 0; query < field.queries; query++) {
        if (!Number.isNaN(values[query])) continue;
        const normalizer = field.fill(head, query, row);
        if (normalizer === null) return null;
        values[query] = normalizer;
      }
      return values;
    };
    return [
      all(current, filled.current),
      head < correspondence.heads ? all(baseline, filled.baseline) : null,
    ];
  }

  learn(head: number, [current, baseline]: Normalizers): void {
    this.compared.current.learn(head, [current ?? null]);
    if (baseline !== undefined) this.compared.baseline.learn(head, [baseline]);
  }

  removedAttention(): number {
    return 0;
  }

  /** Both passes without the keys, each renormalized, and then subtracted. */
  renormalized(without: ReadonlySet<number>): DifferenceLayer {
    return new DifferenceLayer(this.compared.renormalized(without));
  }

  correct(): void {
    throw new Error("Exact rows belong to one of the two passes, not to their difference.");
  }

  #normalizersOf(head: number) {
    const known = this.#filled.get(head);
    if (known !== undefined) return known;
    const { current, baseline } = this.compared;
    const unknown = (count: number) => new Float32Array(count).fill(Number.NaN);
    const filled = { current: unknown(current.queries), baseline: unknown(baseline.queries) };
    this.#filled.set(head, filled);
    return filled;
  }

  #subtract(out: Float32Array, after: Float32Array, before: Float32Array): Float32Array {
    this.compared.correspondence.keys.forEach((other, key) => {
      if (other >= 0) out[key] = after[key] - before[other];
    });
    return out;
  }
}
