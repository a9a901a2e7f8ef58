/** Changes in an address: a list of JSON objects, muted ones with `muted`. */

import type { Change } from "./state";

export function writeChanges(changes: readonly Change[]): string {
  return JSON.stringify(changes.map(({ edit, muted }) => (muted ? { ...edit, muted: true } : edit)));
}

/** The changes of an address; null if it names none, or if the text is invalid. */
export function readChanges(text: string | null): readonly Change[] | null {
  if (text === null) return null;
  try {
    const found: unknown = JSON.parse(text);
    if (!Array.isArray(found)) return null;
    return found.flatMap((one) => {
      if (typeof one !== "object" || one === null || typeof one.type !== "string") return [];
      const { muted, ...edit } = one;
      return [{ edit, muted: muted === true }];
    });
  } catch {
    return null;
  }
}
