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
  /** The edge in both passes, if two are compared. */
  readonly both?: BothPasses;
}

/** The edge of one head in two passes; null where a pass does not have it. */
export interface BothPasses {
  readonly before: EdgeNumbers | null;
  readonly after: EdgeNumbers | null;
  /** Weight after minus before; null if either is unknown. */
  readonly difference: number | null;
}

type EdgeNumbers = Pick<EdgeRow, "weight" | "rank">;

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
  }));
  const heaviness = (row: EdgeRow) => (Number.isNaN(row.weight) ? -1 : row.weight);
  return rows.sort((a, b) => heaviness(b) - heaviness(a) || a.layer - b.layer || a.head - b.head);
}

/**
 * The rows of the shown pass with those of the other one beside them. `other` is null where the edge has no counterpart. Sorted
 * by the magnitude of the difference if `field` is "difference", otherwise as they come; rows without a difference come last.
 */
export function comparedEdgeRows(
  shown: readonly EdgeRow[],
  other: readonly EdgeRow[] | null,
  field: "before" | "after" | "difference",
): readonly EdgeRow[] {
  const beside = new Map((other ?? []).map((row) => [`${row.layer} ${row.head}`, row]));
  const known = (row: EdgeRow | undefined): EdgeNumbers | null =>
    row === undefined || Number.isNaN(row.weight) ? null : { weight: row.weight, rank: row.rank };
  const rows = shown.map((row) => {
    const [own, there] = [known(row), known(beside.get(`${row.layer} ${row.head}`))];
    const [before, after] = field === "before" ? [own, there] : [there, own];
    const difference = before === null || after === null ? null : after.weight - before.weight;
    return { ...row, both: { before, after, difference } };
  });
  if (field !== "difference") return rows;
  const size = ({ both }: (typeof rows)[number]) =>
    both.difference === null ? -1 : Math.abs(both.difference);
  return rows.sort((a, b) => size(b) - size(a) || a.layer - b.layer || a.head - b.head);
}
