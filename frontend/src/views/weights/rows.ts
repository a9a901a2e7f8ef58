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

/** The edges at a place with the largest weights, in descending order, within the threshold and top limit. */
export function listedEdges(
  field: LayerField,
  shown: Shown,
  place: Place,
  most: number,
): readonly WeightedEdge[] {
  const rules = rowRules(shown, 0);
  const cutoffs = new Map<number, number>();
  const drawn = ({ head, query, weight }: WeightedEdge): boolean => {
    if (rules.top === null) return weight >= rules.least;
    const at = head * field.queries + query;
    const known = cutoffs.get(at) ?? cutoffOf(field.row(head, query), rules);
    cutoffs.set(at, known);
    return weight >= known;
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

/** Tokens opposite some places, sorted by their largest weight; with several heads, each weight is the maximum. */
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
        largest[other] = Math.max(largest[other], (weights as Float32Array)[other]);
      }
    }
    return largest;
  });
  const rows: ComparedRow[] = [];
  for (let other = 0; other < opposite.length; other++) {
    if (opposite[other] === 0) continue;
    const weights = columns.map((column) => column[other]);
    if (Math.max(...weights) > 0 && Math.max(...weights) >= rules.least) rows.push({ other, weights });
  }
  const heaviest = new Map(rows.map((row) => [row, Math.max(...row.weights)]));
  return rows.sort((a, b) => (heaviest.get(b) ?? 0) - (heaviest.get(a) ?? 0)).slice(0, most);
}
