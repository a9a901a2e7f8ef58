/** The numbers beside the tokens opposite the current one: a weight, a weight before and after, or a difference. Pure. */

import type { ComparedLayer } from "../../compute/differenceLayer";
import type { LayerField } from "../../compute/layerField";
import { shortDifference, shortWeight } from "../../marks/format";
import type { Place } from "../../state/state";
import { keyShown, queryShown, type Shown, weightsAt } from "../shared/weights";

export interface TokenNumber {
  readonly text: string;
  /** The weight before, where it differs from the one written. */
  readonly before: string | null;
  /** Whether it says that there is nothing. */
  readonly quiet: boolean;
}

export interface NumberSource {
  readonly field: LayerField;
  readonly shown: Shown;
  readonly place: Place;
  /** The weights drawn of each head. */
  readonly stripes: readonly { readonly head: number; readonly weights: Float32Array }[];
  /** Both passes, if weights before and after are written; null otherwise. */
  readonly readings: ComparedLayer | null;
}

/** The number beside a token, over all heads: the one with the largest magnitude; null for none. */
export function numberBeside(source: NumberSource, other: number): TokenNumber | null {
  if (source.field.signed) return differenceBeside(source, other);
  const { stripes, readings, shown, place } = source;
  const edge = edgeTo(place, other);
  if (readings !== null && stripes.length === 1 && seen(shown, place, other)) {
    const { before, after } = readings.read(stripes[0].head, edge.query, edge.key);
    const [was, is] = [shortWeight(before ?? 0) || ".00", shortWeight(after ?? 0) || ".00"];
    if (before !== null && was !== is) return { text: is, before: was, quiet: false };
  }
  let most = 0;
  for (const { weights } of stripes) most = Math.max(most, weights[other]);
  const text = shortWeight(most);
  return text === "" ? null : { text, before: null, quiet: false };
}

function differenceBeside({ field, shown, place, stripes }: NumberSource, other: number): TokenNumber | null {
  if (!seen(shown, place, other)) return null;
  const { query, key } = edgeTo(place, other);
  if (!stripes.some(({ head }) => field.aligned(head, query, key)))
    return { text: "–", before: null, quiet: true };
  if (!stripes.some(({ head }) => field.allowed(head, query, key))) return null;
  const limited = shown.threshold > 0 || shown.top !== null;
  let most = 0;
  let drawn = false;
  for (const { head, weights } of stripes) {
    drawn ||= weights[other] !== 0;
    const value = limited ? weights[other] : (weightsAt(field, head, place)?.[other] ?? 0);
    if (Math.abs(value) > Math.abs(most)) most = value;
  }
  if (limited && !drawn) return null;
  const text = shortDifference(most);
  return { text, before: null, quiet: text === ".00" };
}

/** A number as it is read aloud: `0.90, was 0.05`, `difference +0.85`. */
export function spokenNumber({ text, before }: TokenNumber, signed: boolean): string {
  const whole = (short: string) => short.replace(/^([+−]?)\./, "$10.");
  if (text === "–") return "not aligned";
  if (signed) return `difference ${whole(text)}`;
  return before === null ? whole(text) : `${whole(text)}, before ${whole(before)}`;
}

function edgeTo(place: Place, other: number): { readonly query: number; readonly key: number } {
  return place.side === "query" ? { query: place.index, key: other } : { query: other, key: place.index };
}

function seen(shown: Shown, place: Place, other: number): boolean {
  return place.side === "query" ? keyShown(shown, other) : queryShown(shown, other);
}
