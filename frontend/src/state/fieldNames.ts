/** What the fields of a comparison are called. */

import type { Comparison, Field } from "./state";

/** The names of the three fields; two models are called by their own names. */
export function fieldNames({ kind, baseline, current }: Comparison): Readonly<Record<Field, string>> {
  const own = { before: "before", after: "after", difference: "difference" };
  if (kind !== "model") return own;
  return { ...own, before: baseline.model.title ?? own.before, after: current.model.title ?? own.after };
}

/** What a difference is: `after − before`. */
export function differenceName(comparison: Comparison): string {
  const { before, after } = fieldNames(comparison);
  return `${after} − ${before}`;
}
