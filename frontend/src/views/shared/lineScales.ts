/** How the weights of lines between tokens are drawn: position, opacity, width, color. Pure. */

import type { LineScales } from "../../marks/lines";
import { signColor } from "../../marks/neuron";
import { headColor, headDash, type Rgb } from "../../marks/palette";
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
  /** Whether the numbers are differences: blue above zero and orange below, on one root scale. */
  readonly signed: boolean;
  /** Heads that are off, whose lines are dashed. */
  readonly off: readonly number[];
}

/** Distance between the strands of two heads: `most` in CSS pixels, `share` of the row height. */
const STRAND = { most: 3.4, share: 0.62 };
/** Dash and gap of the lines of a head that is off. */
const OFF_DASH = [3, 4];
/** What tells the heads of differences apart, as they have no colors of their own: solid, dashed, dotted. */
const SIGNED_DASHES: readonly (readonly number[])[] = [[], [7, 4], [2, 4]];
const DASH_NAMES = ["solid", "dashed", "dotted"];
/** How far the colors of signed lines and boxes are from zero on their scale. */
const SIGN_SHARE = { line: 0.8, box: 0.6 };
/** Smaller differences are not drawn. */
const LEAST_CHANGE = 0.006;

/** Opacity of a weight on a scale; of a difference, by its magnitude. */
export function opacityOf(weight: number, scale: Scale): number {
  return darkness(Math.abs(weight), scale);
}

/** The smallest weight that is visible on the screen, or the smallest difference that is drawn. */
export function leastVisible(scale: Scale, signed: boolean): number {
  return signed ? LEAST_CHANGE : weightAt(0.006, scale);
}

/** The color of a head's weights, or of a difference by its sign. */
export function valueColor(
  head: number,
  value: number,
  { signed, dark }: Pick<Painting, "signed" | "dark">,
  part: keyof typeof SIGN_SHARE,
): Rgb {
  return signed ? signColor(Math.sign(value) * SIGN_SHARE[part], dark) : headColor(head, dark);
}

/** The scale in use: differences are always on the root scale. */
export function scaleOf({ signed, scale }: Pick<Painting, "signed" | "scale">): Scale {
  return signed ? "root" : scale;
}

/** How the lines of a head are dashed. */
export function dashOf(
  head: number,
  { heads, signed, off }: Pick<Painting, "heads" | "signed" | "off">,
): readonly number[] {
  if (signed) return SIGNED_DASHES[Math.max(0, heads.indexOf(head)) % SIGNED_DASHES.length];
  return off.includes(head) ? OFF_DASH : headDash(head);
}

/** How to tell the heads of differences apart: `strands from top to bottom: 3 solid, 4 dashed`. */
export function strandWords(heads: readonly number[]): string {
  const named = heads.map((head, at) => `${head} ${DASH_NAMES[at % DASH_NAMES.length]}`);
  const most = 2 * DASH_NAMES.length;
  const more = named.length > most ? `, and ${named.length - most} more` : "";
  return `heads from top to bottom: ${named.slice(0, most).join(", ")}${more}`;
}

export function scalesOf(painting: Painting): LineScales {
  const { layout, scroll, heads } = painting;
  const scale = scaleOf(painting);
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
    width: (weight) => 1.1 + 1.7 * Math.abs(weight),
    color: (head, weight = 1) => valueColor(head, weight, painting, "line"),
    dash: (head) => dashOf(head, painting),
  };
}
