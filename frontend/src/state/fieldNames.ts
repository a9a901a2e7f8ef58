/** What the fields of a comparison are called. */

import { KIND_WORDS } from "./comparison";
import { type Change, type Comparison, editsMade, type Field } from "./state";
import { inputName } from "./stepNames";

/** The names of the three fields; two models, and two prompts with another word, are called by their own names. */
export function fieldNames(comparison: Comparison): Readonly<Record<Field, string>> {
  const own = { before: "before", after: "after", difference: "difference" };
  const { kind, baseline, current } = comparison;
  if (kind === "model")
    return { ...own, before: baseline.model.title ?? own.before, after: current.model.title ?? own.after };
  const words = wordsApart(comparison);
  return words === null ? own : { ...own, ...words };
}

/** What stands behind the names: `the model as it is`, `2 changes`, the texts of two prompts. */
export function fieldDetails(
  comparison: Comparison,
  changes: readonly Change[],
): { readonly before: string; readonly after: string } {
  const { kind, baseline, current, alignment } = comparison;
  const made = editsMade(changes).length;
  const changed = made === 0 ? "" : `${made} ${made === 1 ? "change" : "changes"}`;
  const before = kind === "prompt" || kind === "saved" ? inputName(baseline.input) : KIND_WORDS[kind];
  if (kind === "model") return { before: "", after: changed };
  if (kind === "unchanged" || kind === "kept") return { before, after: changed || "no change" };
  const same = alignment?.identical === true;
  return { before, after: changed || (same ? "the same words" : inputName(current.input)) };
}

/** The one word that two prompts differ in; null if they differ in more, or in none. */
function wordsApart({
  kind,
  baseline,
  current,
  alignment,
}: Comparison): { readonly before: string; readonly after: string } | null {
  if (kind !== "prompt" && kind !== "saved") return null;
  const [pair, ...others] = alignment?.substituted ?? [];
  if (pair === undefined || others.length > 0) return null;
  const side = Object.keys(current.tokens)[0];
  const word = (pass: Comparison["current"], index: number) => pass.tokens[side]?.[index]?.text.trim() ?? "";
  const [after, before] = [word(current, pair[0]), word(baseline, pair[1])];
  return before === "" || after === "" || before === after ? null : { before, after };
}

/** What a difference is: `after − before`. */
export function differenceName(comparison: Comparison): string {
  const { before, after } = fieldNames(comparison);
  return `${after} − ${before}`;
}
