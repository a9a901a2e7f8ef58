/** Which weights of a head a view draws, and how much attention it drops. Differences count by magnitude. Pure, without DOM. */

import { DifferenceLayer } from "./differenceLayer";
import type { LayerField, Normalizers } from "./layerField";

/** Which weights are drawn: of certain queries and keys, above a bound, and only the largest of each row. */
export interface RowRules {
  /** 1 for the queries and keys that are shown. */
  readonly queries: Uint8Array;
  readonly keys: Uint8Array;
  /** 1 for the queries that averages count: all but padding. */
  readonly counted: Uint8Array;
  readonly least: number;
  /** How many of the largest weights of a row are drawn, among the keys shown; null for all. */
  readonly top: number | null;
  /** Keys hidden from the rows, whose share of attention is reported. */
  readonly hidden: readonly number[];
}

export interface HeadSummary {
  readonly head: number;
  /** For each pass of the field. */
  readonly normalizers: Normalizers;
  /** The smallest magnitude drawn in each row. */
  readonly cutoffs: Float32Array;
  /** Attention to shown keys that is not drawn, and the number of rows shown; their quotient is the mean. Padding counts in neither. */
  readonly dropped: number;
  readonly rows: number;
  /** Attention to hidden keys, before any renormalization. */
  readonly hidden: number;
  /** All magnitudes of the rows counted, of shown and hidden keys: for attention, about the number of rows. */
  readonly total: number;
  /** Attention to each key that is drawn, or how much it changes. */
  readonly received: Float32Array;
}

/** Relative rounding difference between a weight computed in a row and in a column. */
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
  let total = 0;
  for (let query = 0; query < field.queries; query++) {
    const normalizer = field.fill(head, query, row);
    if (normalizer === null) computed = false;
    else normalizers[query] = normalizer;
    if (rules.queries[query] === 0) continue;
    const least = cutoffOf(row, rules);
    cutoffs[query] = least;
    const counts = rules.counted[query];
    rows += counts;
    if (counts === 1) {
      if (field.without.size > 0) hidden += field.removedAttention(head, query, normalizer);
      else for (const key of rules.hidden) hidden += Math.abs(row[key]);
      for (let key = 0; key < row.length; key++) total += Math.abs(row[key]);
    }
    for (let key = 0; key < row.length; key++) {
      if (rules.keys[key] === 0) continue;
      const weight = Math.abs(row[key]);
      if (weight >= least) {
        received[key] += weight;
      } else dropped += counts * weight;
    }
  }
  const known = field instanceof DifferenceLayer ? field.normalizers(head) : [computed ? normalizers : null];
  return { head, normalizers: known, cutoffs, dropped, rows, hidden, total, received };
}

/** The smallest magnitude of a row that is drawn. */
export function cutoffOf(row: Float32Array, { keys, least, top }: RowRules): number {
  if (top === null) return least;
  // The largest weights so far, ascending. Most weights are ruled out by one comparison.
  const heaviest = new Float32Array(top);
  for (let key = 0; key < row.length; key++) {
    const weight = Math.abs(row[key]);
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
