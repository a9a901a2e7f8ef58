/** The cells of a part of a head's matrix: weights as bytes, round(255·√α), and differences as codes (`signedCode.ts`). Pure. */

import type { Correspondence } from "./differenceLayer";
import { codeOf } from "./signedCode";

/** The rows of one pass. */
export interface Rows {
  readonly keys: number;
  /** Writes the weights of a query into `out`. */
  readonly fill: (head: number, query: number, out: Float32Array) => void;
}

export interface TilePlace {
  readonly head: number;
  /** Ranges of queries and keys; ends are exclusive. */
  readonly queries: readonly [number, number];
  readonly keys: readonly [number, number];
}

export interface TileCells {
  /** Query by query: bytes of weights, or codes of differences. */
  readonly cells: Uint8Array<ArrayBuffer>;
  /** For differences: the bytes of the current pass. */
  readonly pattern: Uint8Array<ArrayBuffer> | null;
}

export function weightCells({ keys: all, fill }: Rows, { head, queries, keys }: TilePlace): TileCells {
  const [left, right] = keys;
  const cells = new Uint8Array((queries[1] - queries[0]) * (right - left));
  const row = new Float32Array(all);
  for (let query = queries[0], at = 0; query < queries[1]; query++) {
    fill(head, query, row);
    for (let key = left; key < right; key++, at++) cells[at] = byteOf(row[key]);
  }
  return { cells, pattern: null };
}

/** The differences of a pass from its baseline; 0 where nothing corresponds. */
export function differenceCells(
  current: Rows,
  baseline: Rows,
  { queries: rows, keys: columns, heads }: Correspondence,
  { head, queries, keys }: TilePlace,
): TileCells {
  const [left, right] = keys;
  const size = (queries[1] - queries[0]) * (right - left);
  const [cells, pattern] = [new Uint8Array(size), new Uint8Array(size)];
  const [after, before] = [new Float32Array(current.keys), new Float32Array(baseline.keys)];
  for (let query = queries[0], at = 0; query < queries[1]; query++) {
    current.fill(head, query, after);
    const other = head < heads ? (rows[query] ?? -1) : -1;
    if (other >= 0) baseline.fill(head, other, before);
    for (let key = left; key < right; key++, at++) {
      pattern[at] = byteOf(after[key]);
      const from = columns[key] ?? -1;
      if (other >= 0 && from >= 0) cells[at] = codeOf(after[key] - before[from]);
    }
  }
  return { cells, pattern };
}

function byteOf(weight: number): number {
  return Math.round(255 * Math.sqrt(weight));
}
