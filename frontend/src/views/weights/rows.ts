/** Rows of the weights table: for one token, or for several pinned tokens side by side. Pure. */

import { cutoffOf } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import type { Place } from "../../state/state";
import { heaviestEdges, rowRules, type Shown, type WeightedEdge, weightsAt } from "../shared/weights";

/** A token opposite the compared ones, with its weight to or from each of them. */
export interface ComparedRow {
  readonly other: number;
  readonly weights: readonly number[];
}

/** The edges at a place with the largest weights or differences, by descending magnitude, within the threshold and top limit. */
export function listedEdges(
  field: LayerField,
  shown: Shown,
  place: Place,
  most: number,
): readonly WeightedEdge[] {
  const rules = rowRules(shown, 0);
  const cutoffs = new Map<number, number>();
  const drawn = ({ head, query, weight }: WeightedEdge): boolean => {
    if (rules.top === null) return Math.abs(weight) >= rules.least;
    const at = head * field.queries + query;
    const known = cutoffs.get(at) ?? cutoffOf(field.row(head, query), rules);
    cutoffs.set(at, known);
    return Math.abs(weight) >= known;
  };
  const more = rules.top === null || place.side === "query" ? most : 4 * most;
  return heaviestEdges(field, shown, place, more).filter(drawn).slice(0, most);
}

/** The pins to compare: those of the side pinned last, plus another token of that side if it is being read. */
export function comparedPlaces(pins: readonly Place[], place: Place | null): readonly Place[] {
  const side = pins.at(-1)?.side;
  const same = pins.filter((pin) => pin.side === side);
  if (same.length < 2) return [];
  const extra = place?.side === side && !same.some((pin) => pin.index === place?.index);
  return extra && place !== null ? [...same, place] : same;
}

/** Tokens opposite some places, sorted by their largest magnitude; with several heads, each number is the one with the largest magnitude. */
export function comparedRows(
  field: LayerField,
  shown: Shown,
  places: readonly Place[],
  most: number,
): readonly ComparedRow[] {
  const side = places[0]?.side ?? "query";
  const rules = rowRules(shown, 0);
  const opposite = side === "query" ? rules.keys : rules.queries;
  const columns = places.map((place) => {
    const largest = new Float32Array(opposite.length);
    for (const head of shown.heads) {
      const weights = weightsAt(field, head, place);
      for (let other = 0; other < (weights?.length ?? 0); other++) {
        const weight = (weights as Float32Array)[other];
        if (Math.abs(weight) > Math.abs(largest[other])) largest[other] = weight;
      }
    }
    return largest;
  });
  const rows: ComparedRow[] = [];
  for (let other = 0; other < opposite.length; other++) {
    if (opposite[other] === 0) continue;
    const weights = columns.map((column) => column[other]);
    const most = Math.max(...weights.map(Math.abs));
    if (most > 0 && most >= rules.least) rows.push({ other, weights });
  }
  const heaviest = new Map(rows.map((row) => [row, Math.max(...row.weights.map(Math.abs))]));
  return rows.sort((a, b) => (heaviest.get(b) ?? 0) - (heaviest.get(a) ?? 0)).slice(0, most);
}
