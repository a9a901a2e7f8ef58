/** What views read from a field: single weights, ranks, and the largest weights of a row or column. */

import type { RowRules } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import { statedDifference, statedWeight } from "../../marks/format";
import { type Place, pairAt, type SentenceFilter } from "../../state/state";
import type { Token } from "../../wire/messages";
import type { Counterparts } from "./counterparts";

export interface Edge {
  readonly head: number;
  readonly query: number;
  readonly key: number;
}

export interface WeightedEdge extends Edge {
  /** A weight, or a difference of weights. */
  readonly weight: number;
}

/** What the pointer or the keyboard is on. */
export type Focus =
  | { readonly kind: "token"; readonly place: Place }
  | { readonly kind: "edge"; readonly edge: Edge };

/** The part of the field that is shown. */
export interface Shown {
  readonly heads: readonly number[];
  readonly filter: SentenceFilter;
  readonly hiddenKeys: ReadonlySet<number>;
  /** Smaller weights are not drawn. */
  readonly threshold: number;
  /** How many keys are shown per row, largest weight first; null for all. */
  readonly top: number | null;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  /** The tokens of the baseline that these correspond to, if differences are shown. */
  readonly counterparts?: Counterparts;
}

export function queryShown(shown: Shown, query: number): boolean {
  return shown.filter === "all" || shown.queries[query]?.sentence === shown.filter[0];
}

export function keyShown(shown: Shown, key: number): boolean {
  if (shown.hiddenKeys.has(key)) return false;
  return shown.filter === "all" || shown.keys[key]?.sentence === shown.filter[1];
}

/** Whether a token is in the shown part. */
export function placeShown(shown: Shown, place: Place): boolean {
  return place.side === "query" ? queryShown(shown, place.index) : keyShown(shown, place.index);
}

/** The rules for what is shown of each row; `visible` is the smallest weight that is visible at all. */
export function rowRules(shown: Shown, visible: number): RowRules {
  return {
    queries: Uint8Array.from(shown.queries, (_, query) => (queryShown(shown, query) ? 1 : 0)),
    keys: Uint8Array.from(shown.keys, (_, key) => (keyShown(shown, key) ? 1 : 0)),
    counted: Uint8Array.from(shown.queries, ({ padding }) => (padding ? 0 : 1)),
    least: Math.max(shown.threshold, visible),
    top: shown.top,
    hidden: [...shown.hiddenKeys],
  };
}

/** The weights between a token and every token of the other side; null while a column is unknown. */
export function weightsAt(field: LayerField, head: number, place: Place): Float32Array | null {
  return place.side === "query" ? field.row(head, place.index) : field.column(head, place.index);
}

/** The edges with the largest weights or differences at a token, over all shown heads, largest magnitude first. */
export function heaviestEdges(
  field: LayerField,
  shown: Shown,
  place: Place,
  most: number,
): readonly WeightedEdge[] {
  const edges: WeightedEdge[] = [];
  let least = 0;
  const fromQuery = place.side === "query";
  if (fromQuery ? !queryShown(shown, place.index) : !keyShown(shown, place.index)) return edges;
  for (const head of shown.heads) {
    const weights = weightsAt(field, head, place);
    if (weights === null) continue;
    for (let other = 0; other < weights.length; other++) {
      const weight = weights[other];
      if (Math.abs(weight) <= least) continue;
      if (fromQuery ? !keyShown(shown, other) : !queryShown(shown, other)) continue;
      edges.push({
        head,
        weight,
        query: fromQuery ? place.index : other,
        key: fromQuery ? other : place.index,
      });
      if (edges.length >= 4 * most) least = keepHeaviest(edges, most);
    }
  }
  keepHeaviest(edges, most);
  return edges;
}

/** The edge that a token stands for: to the token pinned on the other side, else the one with the largest magnitude. */
export function edgeAt(field: LayerField, shown: Shown, pins: readonly Place[], place: Place): Edge | null {
  return pairEdge(field, shown.heads, pins, place) ?? heaviestEdges(field, shown, place, 1)[0] ?? null;
}

/** The edge between a token and the one pinned on the other side, in the head where its magnitude is largest; null without a pin. */
export function pairEdge(
  field: LayerField,
  heads: readonly number[],
  pins: readonly Place[],
  place: Place,
): Edge | null {
  const pair = pairAt(pins, place);
  if (pair === null || pair.query >= field.queries || pair.key >= field.keys) return null;
  let best: WeightedEdge | null = null;
  for (const head of heads) {
    const weight = field.row(head, pair.query)[pair.key];
    if (best === null || Math.abs(weight) > Math.abs(best.weight)) best = { head, ...pair, weight };
  }
  return best === null ? null : { head: best.head, ...pair };
}

/** Keeps only the `most` largest edges, sorted, and returns the smallest magnitude kept; 0 if there is still room. */
function keepHeaviest(edges: WeightedEdge[], most: number): number {
  edges.sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight));
  edges.length = Math.min(edges.length, most);
  return edges.length === most ? Math.abs(edges[most - 1].weight) : 0;
}

export interface EdgeReading {
  /** A weight, or a difference of weights. */
  readonly weight: number;
  /** From 1, by magnitude. */
  readonly rank: number;
  /** How many keys the query can attend to, or has a difference for; null if only weights are known, as a zero weight may then be masked or not. */
  readonly among: number | null;
  readonly score: number | null;
  /** The error of the score. */
  readonly scoreError: number;
  readonly exact: boolean;
}

/** The weight of an edge and how it is written at its line: `.35`, `<.01`, `−.12` for a difference, or why there is none. */
export function statedEdge(
  field: LayerField,
  edge: Edge,
): { readonly weight: number; readonly text: string } {
  const { head, query, key } = edge;
  const weight = field.row(head, query)[key];
  if (!field.allowed(head, query, key)) return { weight, text: absence(field, edge) };
  return { weight, text: field.signed ? statedDifference(weight) : statedWeight(weight) };
}

/** The numbers of one edge: its weight, its rank in the row, its score. */
export function readEdge(field: LayerField, { head, query, key }: Edge): EdgeReading {
  const row = field.row(head, query);
  const weight = row[key];
  let rank = 1;
  let among = 0;
  for (let other = 0; other < row.length; other++) {
    if (Math.abs(row[other]) > Math.abs(weight)) rank += 1;
    if (row[other] !== 0 || field.allowed(head, query, other)) among += 1;
  }
  const known = field.mask === "unknown" ? null : among;
  return {
    weight,
    rank,
    among: known,
    score: field.score(head, query, key),
    scoreError: field.scoreError(head, query, key),
    exact: field.exact(head, query),
  };
}

/** `rank 2 of 9`, or `rank 2` if the number of keys is unknown. */
export function rankWords({ rank, among }: Pick<EdgeReading, "rank" | "among">): string {
  return among === null ? `rank ${rank}` : `rank ${rank} of ${among}`;
}

/** Legend text while the previous layer is still drawn. */
export function stillLayer(drawn: Pick<LayerField, "layer">, wanted: number): string {
  return `loading layer ${wanted}, still showing layer ${drawn.layer}`;
}

/** Why an edge has no weight. */
export function absence(
  field: Pick<LayerField, "mask" | "without" | "aligned">,
  { head, query, key }: Edge,
): string {
  if (field.without.has(key)) return "hidden";
  if (!field.aligned(head, query, key)) return "not aligned";
  return field.mask === "unknown" ? "no weight" : "masked";
}

/** The likely attention sinks: special tokens and, in a causal model, the first token (behind padding). */
export function sinkKeys(tokens: readonly Token[], causal: boolean): ReadonlySet<number> {
  const sinks = new Set<number>();
  const first = tokens.findIndex(({ padding }) => !padding);
  tokens.forEach((token, index) => {
    if (token.special || (causal && index === first)) sinks.add(index);
  });
  return sinks;
}

/** What the sinks of a stack are, for labels. */
export function sinkName(tokens: readonly Token[], causal: boolean): string {
  if (!causal) return "special tokens";
  const text = tokens.filter(({ padding }) => !padding);
  const special = text.some((token, index) => token.special && index > 0);
  return special ? "first and special tokens" : "first token";
}
