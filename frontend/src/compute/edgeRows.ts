/** One edge in every head of a stack, as sortable rows. */

import type { EdgeMessage } from "../wire/messages";
import { DamagedError } from "../wire/safetensors";

/** The edge in one head. */
export interface EdgeRow {
  readonly layer: number;
  readonly head: number;
  readonly weight: number;
  /** Rank among the keys that are not masked for the query, from 1; 0 if the key is hidden. */
  readonly rank: number;
  readonly among: number;
  readonly score: number;
  /** The weight in the baseline, if differences are shown; otherwise null. */
  readonly before: number | null;
}

/** The edge in all heads, sorted by weight; heads where it has no weight come last. */
export function edgeRows(message: EdgeMessage, offSink: boolean): readonly EdgeRow[] {
  const of = (name: string): Float32Array | Int32Array => {
    const data = message.tensors.get(name)?.data;
    if (!(data instanceof Float32Array || data instanceof Int32Array))
      throw new DamagedError(`The edge response lacks \`${name}\`.`);
    return data;
  };
  const ending = offSink ? "_off_sink" : "";
  const [layer, head, score] = [of("layer"), of("head"), of("score")];
  const [weight, rank, among] = [of(`weight${ending}`), of(`rank${ending}`), of(`among${ending}`)];
  const rows = Array.from(layer, (_, at) => ({
    layer: layer[at],
    head: head[at],
    weight: weight[at],
    rank: rank[at],
    among: among[at],
    score: score[at],
    before: null,
  }));
  const heaviness = (row: EdgeRow) => (Number.isNaN(row.weight) ? -1 : row.weight);
  return rows.sort((a, b) => heaviness(b) - heaviness(a) || a.layer - b.layer || a.head - b.head);
}

/** The edge in all heads of two passes, sorted by the size of the difference; `heads` correspond in each layer. */
export function comparedEdgeRows(
  message: EdgeMessage,
  baseline: EdgeMessage,
  offSink: boolean,
  heads: readonly number[],
): readonly EdgeRow[] {
  const name = ({ layer, head }: EdgeRow) => `${layer} ${head}`;
  const before = new Map(edgeRows(baseline, offSink).map((row) => [name(row), row.weight]));
  const rows = edgeRows(message, offSink).map((row) => ({
    ...row,
    before: row.head < (heads[row.layer] ?? 0) ? (before.get(name(row)) ?? Number.NaN) : Number.NaN,
  }));
  const size = (row: EdgeRow) => {
    const change = changeOf(row);
    return Number.isNaN(change) ? -1 : Math.abs(change);
  };
  return rows.sort((a, b) => size(b) - size(a) || a.layer - b.layer || a.head - b.head);
}

/** The weight of an edge, or its difference from the baseline; NaN if there is none. */
export function changeOf({ before, weight }: EdgeRow): number {
  return before === null ? weight : weight - before;
}
