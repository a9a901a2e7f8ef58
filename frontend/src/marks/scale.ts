/** Maps a weight from 0 to 1 to a darkness from 0 to 1. */

import { log_scale } from "./appearance";

export type ScaleName = "linear" | "root" | "log";

/** Decades that the logarithmic scale covers; smaller weights are not drawn. */
const DECADES = log_scale.decades;

export function darkness(weight: number, scale: ScaleName): number {
  if (!(weight > 0)) return 0;
  if (scale === "linear") return Math.min(1, weight);
  if (scale === "root") return Math.min(1, Math.sqrt(weight));
  return Math.max(0, Math.min(1, 1 + Math.log10(weight) / DECADES));
}

/** The inverse of `darkness`. */
export function weightAt(dark: number, scale: ScaleName): number {
  if (scale === "linear") return dark;
  if (scale === "root") return dark * dark;
  return dark <= 0 ? 0 : 10 ** (DECADES * (dark - 1));
}

/** Names of the scales in legends. */
export const SCALE_TITLES: Readonly<Record<ScaleName, string>> = {
  linear: "linear",
  root: "√",
  log: `log, ${DECADES} decades`,
};
