/** How a weight between 0 and 1 becomes darkness between 0 and 1. */

import { log_scale } from "./appearance";

export type ScaleName = "linear" | "root" | "log";

/** Decades that the logarithmic scale shows; what is smaller is not drawn. */
const DECADES = log_scale.decades;

export function darkness(weight: number, scale: ScaleName): number {
  if (!(weight > 0)) return 0;
  if (scale === "linear") return Math.min(1, weight);
  if (scale === "root") return Math.min(1, Math.sqrt(weight));
  return Math.max(0, Math.min(1, 1 + Math.log10(weight) / DECADES));
}

/** The weight that a darkness stands for: the inverse of `darkness`. */
export function weightAt(dark: number, scale: ScaleName): number {
  if (scale === "linear") return dark;
  if (scale === "root") return dark * dark;
  return dark <= 0 ? 0 : 10 ** (DECADES * (dark - 1));
}

/** What the scale is called in a legend. */
export const SCALE_TITLES: Readonly<Record<ScaleName, string>> = {
  linear: "linear",
  root: "√",
  log: `log, ${DECADES} decades`,
};
