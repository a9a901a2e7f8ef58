/** The lines of a head figure: all weights that pass the settings, and how much attention is not drawn. */

import type { LayerField } from "../compute/layerField";
import { LineList } from "../marks/lines";
import { type ScaleName, weightAt } from "../marks/scale";
import type { Sinks } from "../state/state";

export interface EdgeRules {
  readonly heads: readonly number[];
  readonly queryShown: (query: number) => boolean;
  readonly keyShown: (key: number) => boolean;
  /** Keys that are attention sinks. */
  readonly sinks: ReadonlySet<number>;
  readonly treatment: Sinks;
  /** Weights below `threshold` are not drawn; of each row, only the `top` largest are. */
  readonly threshold: number;
  readonly top: number | null;
  readonly scale: ScaleName;
}

export interface Edges {
  readonly lines: LineList;
  /** The share of the queries' attention that is not drawn, or of the sum of all |differences|. */
  readonly dropped: number;
}

/** The lowest darkness that is visible on paper. */
const LEAST_SEEN = 0.006;
/** Smaller differences are not drawn. */
const LEAST_CHANGE = 0.006;

/**
 * The weights of one row as drawn: without hidden sinks, and renormalized if the settings say so. Differences come from fields
 * that are renormalized already.
 */
export function rowDrawn(field: LayerField, head: number, query: number, rules: EdgeRules): Float32Array {
  const { sinks, treatment } = rules;
  const row = field.row(head, query);
  if (treatment === "shown" || sinks.size === 0) return row;
  const off = row.slice();
  for (const key of sinks) off[key] = 0;
  if (treatment === "hidden" || field.signed) return off;
  const sum = off.reduce((total, weight) => total + weight, 0);
  return sum > 0 ? off.map((weight) => weight / sum) : off;
}

/** All lines between queries and keys `first` ≤ row < `last`. */
export function edgesBetween(
  field: LayerField,
  rules: EdgeRules,
  queries: readonly [number, number],
  keys: readonly [number, number],
): Edges {
  const lines = new LineList();
  const visible = field.signed ? LEAST_CHANGE : weightAt(LEAST_SEEN, rules.scale);
  const least = Math.max(visible, rules.threshold);
  let [all, drawn] = [0, 0];
  for (const head of rules.heads) {
    for (let query = queries[0]; query < queries[1]; query++) {
      if (!rules.queryShown(query)) continue;
      const row = rowDrawn(field, head, query, rules);
      const bound = rules.top === null ? least : Math.max(least, nthLargest(row, rules));
      for (let key = 0; key < row.length; key++) {
        const size = Math.abs(row[key]);
        all += size;
        if (size < bound || key < keys[0] || key >= keys[1] || !rules.keyShown(key)) continue;
        lines.add(head, query, key, row[key]);
        drawn += size;
      }
    }
  }
  return { lines, dropped: all > 0 ? Math.max(0, 1 - drawn / all) : 0 };
}

/** The `top`-th largest weight or |difference| of a row. */
function nthLargest(row: Float32Array, { top, keyShown }: EdgeRules): number {
  if (top === null) return 0;
  const sorted = row
    .filter((_, key) => keyShown(key))
    .map(Math.abs)
    .sort();
  return sorted[Math.max(0, sorted.length - top)] ?? 0;
}
