/** The numbers of one pass minus those of another, in the layer and the positions of the current pass. */

import type { LayerField } from "./layerField";

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
}

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
  readonly #rows = new Map<number, Float32Array>();

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
    const at = head * this.queries + query;
    const known = this.#rows.get(at);
    if (known !== undefined) return known;
    const out = new Float32Array(this.keys);
    this.#subtract(out, head, query, (field, row) => field.row(head, row));
    this.#rows.set(at, out);
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
    const row = (field: LayerField, index: number): Float32Array => {
      const values = new Float32Array(field.keys);
      field.fill(head, index, values);
      return values;
    };
    this.#subtract(out.fill(0), head, query, row);
    return null;
  }

  removedAttention(): number {
    return 0;
  }

  /** Both passes without the keys, each renormalized, and then subtracted. */
  renormalized(without: ReadonlySet<number>): DifferenceLayer {
    const { current, baseline, correspondence } = this.compared;
    const there = [...without].flatMap((key) => {
      const other = correspondence.keys[key] ?? -1;
      return other < 0 ? [] : [other];
    });
    return new DifferenceLayer(
      new ComparedLayer(current.renormalized(without), baseline.renormalized(new Set(there)), correspondence),
    );
  }

  correct(): void {
    throw new Error("Exact rows belong to one of the two passes, not to their difference.");
  }

  #subtract(
    out: Float32Array,
    head: number,
    query: number,
    row: (field: LayerField, index: number) => Float32Array,
  ): void {
    const { current, baseline, correspondence } = this.compared;
    const from = correspondence.queries[query] ?? -1;
    if (from < 0 || head >= correspondence.heads) return;
    const [after, before] = [row(current, query), row(baseline, from)];
    correspondence.keys.forEach((other, key) => {
      if (other >= 0) out[key] = after[key] - before[other];
    });
  }
}
