/** What the legend says about differences. Pure. */

import { significant } from "../../marks/format";
import { SCALE_TITLES } from "../../marks/scale";
import type { Scale } from "../../state/state";

export interface DifferenceFacts {
  /** The |difference| with full color. */
  readonly full: number;
  /** What is subtracted: `after − before`. */
  readonly name: string;
  readonly scale: Scale;
  /** The name of what is drawn: one head, or all. */
  readonly over: "heads" | "head";
  /** Layers in which no weight differs, and how many layers there are. */
  readonly unchanged: readonly number[];
  readonly layers: number;
  /** Whether further layers are still to come. */
  readonly coming: boolean;
  /** Why layers or heads have no difference; null if all do. */
  readonly note: string | null;
  /** Settings that leave something out. */
  readonly omitted: readonly string[];
  /** Whether a measure replaces the colors of differences. */
  readonly tinted: boolean;
}

/** What differences show: `after − before, one √ scale, ±.85 · gray: no change; in layers 0–22 none at all`. */
export function differenceWords(facts: DifferenceFacts): string {
  const { full, name, scale, over, unchanged, layers, coming, note, omitted, tinted } = facts;
  const whole = !coming && layers > 0 && unchanged.length === layers;
  const parts: string[] = [];
  if (tinted) parts.push(`tint: ${name}; gray: the current pass`);
  else if (full === 0 && coming) parts.push(`${name}: still loading`);
  else if (full === 0 || whole) parts.push(`${name}: no change`);
  else {
    const one = over === "heads" ? "one " : "";
    parts.push(`${name}, ${one}${SCALE_TITLES[scale]} scale, ±${rangeText(full)}`);
    const none = unchanged.length > 0 ? `; in ${layerRanges(unchanged)} none at all` : "";
    parts.push(`gray: no change${none}`);
  }
  if (note !== null) parts.push(note);
  return [...parts, ...omitted].join(" · ");
}

/** The end of the scale: `.85`, `1.0`, `0.0021`. */
export function rangeText(full: number): string {
  if (full >= 0.995) return "1.0";
  return full >= 0.095 ? full.toFixed(2).slice(1) : significant(full, 2);
}

/** `layer 3`, `layers 0–22`, `layers 0–3, 5`, or how many if there are many ranges. */
export function layerRanges(layers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const layer of layers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === layer) last[1] = layer;
    else ranges.push([layer, layer]);
  }
  if (layers.length === 1) return `layer ${layers[0]}`;
  if (ranges.length > 4) return `${layers.length} layers`;
  return `layers ${ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ")}`;
}
