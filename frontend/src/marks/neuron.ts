/** Signed numbers as colours: blue above zero, orange below, as saturated as they are large. Pure. */

import type { Rgb } from "./palette";
import { darkness, type ScaleName } from "./scale";

/** Colours from fully negative to fully positive, zero in the middle. */
const STEPS = 255;
const ZERO = 127;

/** Blue and orange differ for every common kind of colour blindness; their lightness rises or falls alike. */
const LIGHT: { readonly zero: Rgb; readonly up: readonly Rgb[]; readonly down: readonly Rgb[] } = {
  zero: [255, 255, 255],
  up: [
    [112, 170, 232],
    [18, 78, 172],
  ],
  down: [
    [246, 172, 110],
    [184, 76, 0],
  ],
};
const DARK: typeof LIGHT = {
  zero: [16, 18, 23],
  up: [
    [30, 94, 158],
    [112, 192, 255],
  ],
  down: [
    [146, 72, 22],
    [255, 160, 82],
  ],
};

/** How magnitude becomes saturation. */
export type SignScale = ScaleName;

/** Where a value stands between −1 and 1 of a scale that is full at `full`. */
export function signShare(value: number, full: number, scale: SignScale): number {
  if (full <= 0) return 0;
  const share = Math.max(-1, Math.min(1, value / full));
  return Math.sign(share) * darkness(Math.abs(share), scale);
}

/** A value's colour: `share` is −1 … 1 of what fills the scale; beyond it the colour stays full. */
export function signColour(share: number, dark: boolean): Rgb {
  const theme = dark ? DARK : LIGHT;
  const [half, full] = share >= 0 ? theme.up : theme.down;
  const size = Math.min(1, Math.abs(share));
  return size < 0.5 ? mix(theme.zero, half, size * 2) : mix(half, full, size * 2 - 1);
}

function mix(a: Rgb, b: Rgb, share: number): Rgb {
  const part = (at: 0 | 1 | 2) => Math.round(a[at] + (b[at] - a[at]) * share);
  return [part(0), part(1), part(2)];
}

const tables = new Map<boolean, Uint32Array>();

/** The colours as pixels, in the byte order of this machine, as an ImageData holds them. */
function table(dark: boolean): Uint32Array {
  const known = tables.get(dark);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(STEPS * 4);
  for (let step = 0; step < STEPS; step++) {
    bytes.set([...signColour((step - ZERO) / ZERO, dark), 255], step * 4);
  }
  const made = new Uint32Array(bytes.buffer);
  tables.set(dark, made);
  return made;
}

export interface CellImage {
  readonly dark: boolean;
  /** Dimensions from left to right; null for their own order. */
  readonly order: Uint16Array | null;
  /** The magnitude at which the colour is full. */
  readonly full: number;
  readonly scale: SignScale;
}

/**
 * Colours rows `first` ≤ row < `last` of `values` [row, dim], one pixel a cell, into `pixels` from `at` on. A row that is
 * folded into several lines has the same pixels: only the width of the image differs.
 */
export function colourCells(
  pixels: Uint32Array,
  at: number,
  values: Float32Array,
  dim: number,
  first: number,
  last: number,
  { dark, order, full, scale }: CellImage,
): void {
  const colours = table(dark);
  for (let row = first; row < last; row++) {
    const from = row * dim;
    for (let n = 0; n < dim; n++, at++) {
      const share = signShare(values[from + (order === null ? n : order[n])], full, scale);
      pixels[at] = colours[ZERO + Math.round(share * ZERO)];
    }
  }
}

/** The hatching of what a query may not look at. */
export function hatch(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: string,
): void {
  context.save();
  context.beginPath();
  context.rect(x, y, width, height);
  context.clip();
  context.strokeStyle = colour;
  context.lineWidth = 1;
  context.beginPath();
  for (let start = x - height - (x % 7); start < x + width; start += 7) {
    context.moveTo(start, y + height);
    context.lineTo(start + height, y);
  }
  context.stroke();
  context.restore();
}
