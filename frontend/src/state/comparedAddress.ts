/** The part of an address that describes two passes: the baseline, what is shown of both, and the changes. */

import type { Edit } from "../wire/messages";
import { type AppState, BASELINE_KINDS, type BaselineKind, type Change, FIELDS, type Field } from "./state";

export interface ComparedAddress {
  /** The trace that the current one is compared with. */
  readonly baseline: string | null;
  readonly field: Field | null;
  readonly kind: BaselineKind | null;
  /** The changes; null if the address has none, and they are those of the trace. */
  readonly changes: readonly Change[] | null;
}

/** More changes are ignored. */
const MOST_CHANGES = 1000;

/** The fields of an address about the field and the changes. The baseline is one of its traces, so it is not here. */
export function comparedFields({
  comparison,
  field,
  changes,
}: AppState): readonly (readonly [string, string])[] {
  const fields: [string, string][] = [];
  if (comparison !== null) fields.push(["field", field], ["compare", comparison.kind]);
  if (changes.length > 0) {
    const written = changes.map(({ edit, muted }) => (muted ? { ...edit, muted } : edit));
    fields.push(["changes", JSON.stringify(written)]);
  }
  return fields;
}

/** Reads the part about two passes; invalid parts are ignored. */
export function readCompared(fields: URLSearchParams): ComparedAddress {
  const [field, kind] = [fields.get("field"), fields.get("compare")];
  return {
    baseline: fields.get("baseline") || null,
    field: FIELDS.find((one) => one === field) ?? null,
    kind: BASELINE_KINDS.find((one) => one === kind) ?? null,
    changes: readChanges(fields.get("changes")),
  };
}

function readChanges(text: string | null): readonly Change[] | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value) || value.length > MOST_CHANGES || !value.every(isEdit)) return null;
    return value.map(({ muted, ...edit }) => ({ edit: edit as Edit, muted: muted === true }));
  } catch {
    return null;
  }
}

function isEdit(value: unknown): value is Edit {
  return (
    typeof value === "object" && value !== null && typeof (value as { type?: unknown }).type === "string"
  );
}
