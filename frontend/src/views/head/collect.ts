/** Which lines of a field the head view draws. Pure. */

import type { LayerField } from "../../compute/field";
import { LineList } from "../../marks/lines";
import type { Place } from "../../state/state";
import { keyShown, queryShown, type Shown, weightsAt } from "../reading";

/** Lines that one picture holds at most; above it the lightest are left out, and the legend says so. */
const MOST_LINES = 24000;

export interface Collected {
  readonly lines: LineList;
  /** The heaviest weight left out because there were too many lines. */
  readonly threshold: number;
  /** False while some arriving lines are not known yet. */
  readonly complete: boolean;
}

/** Every line with an end among some rows that is heavy enough to be seen. Yields now and then, so that work can pause. */
export function* linesAmong(
  field: LayerField,
  shown: Shown,
  queries: readonly [number, number],
  keys: readonly [number, number],
  least: number,
): Generator<void, Collected> {
  const list = new LineList();
  let complete = true;
  const wholeQueries = queries[0] === 0 && queries[1] === field.queries;
  const seenKeys = Array.from({ length: field.keys }, (_, key) => keyShown(shown, key));
  for (const head of shown.heads) {
    for (let query = queries[0]; query < queries[1]; query++) {
      if (!queryShown(shown, query)) continue;
      const row = field.row(head, query);
      for (let key = 0; key < row.length; key++) {
        if (row[key] >= least && seenKeys[key]) list.add(head, query, key, row[key]);
      }
      yield;
    }
    for (let key = keys[0]; key < keys[1] && !wholeQueries; key++) {
      if (!seenKeys[key]) continue;
      const column = field.column(head, key);
      if (column === null) {
        complete = false;
        break;
      }
      for (let query = 0; query < column.length; query++) {
        // Lines of these queries are there already.
        if (query >= queries[0] && query < queries[1]) continue;
        if (column[query] >= least && queryShown(shown, query)) list.add(head, query, key, column[query]);
      }
      yield;
    }
  }
  const { lines, threshold } = list.heaviest(MOST_LINES);
  return { lines, threshold, complete };
}

/** The lines that leave or reach some places. */
export function linesAt(field: LayerField, shown: Shown, places: readonly Place[], least: number): LineList {
  const list = new LineList();
  for (const head of shown.heads) {
    for (const { side, index } of places) {
      const weights = weightsAt(field, head, { side, index });
      if (weights === null || (side === "query" ? !queryShown(shown, index) : !keyShown(shown, index)))
        continue;
      for (let other = 0; other < weights.length; other++) {
        if (weights[other] < least) continue;
        if (side === "query" && keyShown(shown, other)) list.add(head, index, other, weights[other]);
        if (side === "key" && queryShown(shown, other)) list.add(head, other, index, weights[other]);
      }
    }
  }
  return list;
}
