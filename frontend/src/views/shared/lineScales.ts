/** How the weights of lines between tokens are drawn: position, opacity, width, color. Pure. */

import type { LineScales } from "../../marks/lines";
import { headColor } from "../../marks/palette";
import { darkness, weightAt } from "../../marks/scale";
import type { Scale } from "../../state/state";
import { rowY, type TokenLayout } from "./tokenLayout";

export interface Painting {
  readonly layout: TokenLayout;
  readonly scroll: number;
  readonly scale: Scale;
  readonly dark: boolean;
  /** Shown heads; each has its own strand in a row. */
  readonly heads: readonly number[];
}

/** Distance between the strands of two heads: `most` in CSS pixels, `share` of the row height. */
const STRAND = { most: 3.4, share: 0.62 };

/** Opacity of a weight on a scale. */
export function opacityOf(weight: number, scale: Scale): number {
  return darkness(weight, scale);
}

/** The smallest weight that is visible on the screen. */
export function leastVisible(scale: Scale): number {
  return weightAt(0.006, scale);
}

export function scalesOf({ layout, scroll, scale, dark, heads }: Painting): LineScales {
  const apart = Math.min(STRAND.most, (STRAND.share * layout.rowHeight) / Math.max(1, heads.length));
  const strands = new Map(heads.map((head, at) => [head, (at - (heads.length - 1) / 2) * apart]));
  return {
    reach: 1.5 * layout.height,
    strand: (head) => strands.get(head) ?? 0,
    x0: layout.lineX0,
    x1: layout.lineX1,
    queryY: (query) => rowY(layout, query, scroll),
    keyY: (key) => rowY(layout, key, scroll, "key"),
    opacity: (weight) => 0.96 * opacityOf(weight, scale),
    width: (weight) => 1.1 + 1.7 * weight,
    color: (head) => headColor(head, dark),
  };
}
