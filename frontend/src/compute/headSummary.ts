/** What a view draws of a head's rows, what that leaves out, and where it lies. Pure and without DOM. */

import type { LayerField } from "./layerField";

/** Which weights are drawn: those of some queries and keys, not below a bound, and only a row's heaviest. */
export interface RowRules {
  /** 1 for the queries and the keys on show. */
  readonly queries: Uint8Array;
  readonly keys: Uint8Array;
  readonly least: number;
  /** How many of a row's heaviest weights over the keys on show; null for all. */
  readonly top: number | null;
  /** Keys that are left out of rows, whose share is to be told. */
  readonly hidden: readonly number[];
}

export interface HeadSummary {
  readonly head: number;
  readonly normalizers: Float32Array | null;
  /** The lightest weight that is drawn of each row. */
  readonly cutoffs: Float32Array;
  /** Attention on keys on show that is not drawn, and how many rows are on show: the mean is their quotient. */
  readonly dropped: number;
  readonly rows: number;
  /** Attention on keys that are hidden, before any renormalizing. */
  readonly hidden: number;
  /** Attention drawn to each key. */
  readonly received: Float32Array;
}

/** Rounding between a weight of a row and the same weight of a column, relative. */
const ROUNDING = 1e-5;

export function summarize(field: LayerField, head: number, rules: RowRules): HeadSummary {
  const row = new Float32Array(field.keys);
  const normalizers = new Float32Array(field.queries);
  const cutoffs = new Float32Array(field.queries);
  const received = new Float32Array(field.keys);
  let computed = true;
  let dropped = 0;
  let rows = 0;
  let hidden = 0;
  for (let query = 0; query < field.queries; query++) {
    const normalizer = field.fill(head, query, row);
    if (normalizer === null) computed = false;
    else normalizers[query] = normalizer;
    if (rules.queries[query] === 0) continue;
    const least = cutoffOf(row, rules);
    cutoffs[query] = least;
    rows += 1;
    if (field.without.size > 0) hidden += field.taken(head, query, normalizer);
    else for (const key of rules.hidden) hidden += row[key];
    for (let key = 0; key < row.length; key++) {
      if (rules.keys[key] === 0) continue;
      const weight = row[key];
      if (weight >= least) {
        received[key] += weight;
      } else dropped += weight;
    }
  }
  return { head, normalizers: computed ? normalizers : null, cutoffs, dropped, rows, hidden, received };
}

/** The lightest weight of a row that is drawn. */
export function cutoffOf(row: Float32Array, { keys, least, top }: RowRules): number {
  if (top === null) return least;
  // The heaviest so far, ascending: most weights are not among them, and one comparison says so.
  const heaviest = new Float32Array(top);
  for (let key = 0; key < row.length; key++) {
    const weight = row[key];
    if (weight <= heaviest[0] || keys[key] === 0) continue;
    let at = 0;
    while (at + 1 < top && heaviest[at + 1] < weight) {
      heaviest[at] = heaviest[at + 1];
      at += 1;
    }
    heaviest[at] = weight;
  }
  return Math.max(least, heaviest[0] * (1 - ROUNDING));
}
