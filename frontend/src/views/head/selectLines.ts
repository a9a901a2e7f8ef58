/** Selects the lines that the head view draws. Pure. */

import { cutoffOf, type RowRules } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import { LineList } from "../../marks/lines";
import type { Place } from "../../state/state";
import { weightsAt } from "../shared/weights";

/** The most lines in one image. Beyond that, the lines with the smallest weights are dropped, and the legend says so. */
const MOST_LINES = 60_000;

export interface SelectedLines {
  readonly lines: LineList;
  /** The largest weight dropped because there were too many lines. */
  readonly threshold: number;
  /** False while some lines from off-screen queries are unknown. */
  readonly complete: boolean;
}

/** The smallest magnitude drawn in each row of a head; null until all rows are summarized. */
export type Cutoffs = (head: number) => Float32Array | null;

/** All lines with an end among some tokens. Lines from off-screen queries are omitted until the row cutoffs are known. */
export function linesAmong(
  field: LayerField,
  heads: readonly number[],
  rules: RowRules,
  cutoffs: Cutoffs,
  among: { readonly queries: readonly [number, number]; readonly keys: readonly [number, number] },
): SelectedLines {
  const list = new LineList();
  let complete = true;
  const [firstQuery, lastQuery] = among.queries;
  const whole = firstQuery === 0 && lastQuery === field.queries;
  for (const head of heads) {
    for (let query = firstQuery; query < lastQuery; query++) {
      if (rules.queries[query] === 0) continue;
      const row = field.row(head, query);
      const least = cutoffOf(row, rules);
      for (let key = 0; key < row.length; key++) {
        if (Math.abs(row[key]) >= least && rules.keys[key] === 1) list.add(head, query, key, row[key]);
      }
    }
    if (whole) continue;
    const bounds = cutoffs(head);
    for (let key = among.keys[0]; key < among.keys[1]; key++) {
      if (rules.keys[key] === 0) continue;
      const column = bounds === null ? null : field.column(head, key);
      if (column === null || bounds === null) {
        complete = false;
        break;
      }
      for (let query = 0; query < column.length; query++) {
        // Lines of these queries have already been added.
        if (query >= firstQuery && query < lastQuery) continue;
        if (Math.abs(column[query]) >= bounds[query] && rules.queries[query] === 1)
          list.add(head, query, key, column[query]);
      }
    }
  }
  const { lines, threshold } = list.heaviest(MOST_LINES);
  return { lines, threshold, complete };
}

/** The weights or differences drawn between a place and each token of the other side, 0 if not drawn; null until known. */
export function drawnAt(
  field: LayerField,
  head: number,
  place: Place,
  rules: RowRules,
  cutoffs: Cutoffs,
): Float32Array | null {
  const own = place.side === "query" ? rules.queries : rules.keys;
  const opposite = place.side === "query" ? rules.keys : rules.queries;
  const weights = weightsAt(field, head, place);
  if (weights === null || own[place.index] !== 1) return null;
  const bounds = place.side === "key" ? cutoffs(head) : null;
  if (place.side === "key" && bounds === null && rules.top !== null) return null;
  const least = place.side === "query" ? cutoffOf(weights, rules) : rules.least;
  return weights.map((weight, other) =>
    opposite[other] === 1 && Math.abs(weight) >= (bounds?.[other] ?? least) ? weight : 0,
  );
}

/** The lines from or to some places. */
export function linesAt(
  field: LayerField,
  heads: readonly number[],
  places: readonly Place[],
  rules: RowRules,
  cutoffs: Cutoffs,
): LineList {
  const list = new LineList();
  for (const head of heads) {
    for (const place of places) {
      const weights = drawnAt(field, head, place, rules, cutoffs);
      for (let other = 0; other < (weights?.length ?? 0); other++) {
        const weight = (weights as Float32Array)[other];
        if (weight === 0) continue;
        if (place.side === "query") list.add(head, place.index, other, weight);
        else list.add(head, other, place.index, weight);
      }
    }
  }
  return list;
}
