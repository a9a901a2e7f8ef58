/** How two passes differ in which of two keys each head prefers: a double contrast. Pure. */

import type { EdgeMessage } from "../wire/messages";
import { edgeRows } from "./edgeRows";

/** The edges from one query to the two keys, in both passes. */
export interface ContrastEdges {
  readonly after: readonly [one: EdgeMessage, other: EdgeMessage];
  readonly before: readonly [one: EdgeMessage, other: EdgeMessage];
}

export interface ContrastRow {
  readonly layer: number;
  readonly head: number;
  /** (one − other) after, minus the same before. */
  readonly first: number;
  /** The same with the two words swapped in both inputs; null if that was not run. */
  readonly second: number | null;
  /** What both orders support: the smaller of the two, 0 where their signs differ; without a second order, the first. */
  readonly kept: number;
}

/** All heads that both passes have, those that keep the largest contrast first. */
export function contrastRows(first: ContrastEdges, second: ContrastEdges | null): readonly ContrastRow[] {
  const [one, other] = [contrasts(first), second === null ? null : contrasts(second)];
  return [...one.values()]
    .flatMap(({ layer, head, value }): readonly ContrastRow[] => {
      const again = other === null ? null : (other.get(`${layer}.${head}`)?.value ?? Number.NaN);
      if (Number.isNaN(value) || Number.isNaN(again)) return [];
      return [
        { layer, head, first: value, second: again, kept: again === null ? value : kept(value, again) },
      ];
    })
    .sort(
      (a, b) =>
        Math.abs(b.kept) - Math.abs(a.kept) || Math.abs(b.first) - Math.abs(a.first) || a.layer - b.layer,
    );
}

function kept(one: number, other: number): number {
  return one * other <= 0 ? 0 : Math.sign(one) * Math.min(Math.abs(one), Math.abs(other));
}

function contrasts({ after, before }: ContrastEdges) {
  const [a, b, c, d] = [...after, ...before].map(weights);
  return new Map(
    [...a].map(([name, { layer, head, weight }]) => {
      const of = (some: typeof a) => some.get(name)?.weight ?? Number.NaN;
      return [name, { layer, head, value: weight - of(b) - (of(c) - of(d)) }] as const;
    }),
  );
}

function weights(message: EdgeMessage) {
  return new Map(edgeRows(message, false).map((row) => [`${row.layer}.${row.head}`, row] as const));
}
