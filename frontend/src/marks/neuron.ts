/** Signed numbers as colors: blue above zero, orange below, with saturation by magnitude. Pure. */

import { type Rgb, rgb, signs } from "./appearance";
import { colorAt } from "./palette";
import { darkness, type ScaleName } from "./scale";

/** Colors from the negative to the positive end of the scale, with zero in the middle. */
const STEPS = 255;
const ZERO = 127;

const STOPS = { light: halves(signs.light), dark: halves(signs.dark) };

/** Both halves start at zero, so that they are rounded alike. */
function halves(stops: readonly string[]) {
  const all = stops.map(rgb);
  const middle = (all.length - 1) / 2;
  return { down: all.slice(0, middle + 1).reverse(), up: all.slice(middle) };
}

/** Maps a magnitude to a saturation. */
export type SignScale = ScaleName;

/** A value's position from −1 to 1 on a scale that ends at `full`. */
export function signShare(value: number, full: number, scale: SignScale): number {
  if (full <= 0) return 0;
  const share = Math.max(-1, Math.min(1, value / full));
  return Math.sign(share) * darkness(Math.abs(share), scale);
}

/** The color at `share`, from −1 to 1 of the scale. Shares outside that range are clipped. */
export function signColor(share: number, dark: boolean): Rgb {
  const { down, up } = STOPS[dark ? "dark" : "light"];
  return colorAt(share >= 0 ? up : down, Math.abs(share));
}

const tables = new Map<boolean, Uint32Array>();

/** The colors as pixel words of an ImageData, in this machine's byte order. */
function table(dark: boolean): Uint32Array {
  const known = tables.get(dark);
  if (known !== undefined) return known;
  const bytes = new Uint8Array(STEPS * 4);
  for (let step = 0; step < STEPS; step++) {
    bytes.set([...signColor((step - ZERO) / ZERO, dark), 255], step * 4);
  }
  const words = new Uint32Array(bytes.buffer);
  tables.set(dark, words);
  return words;
}

export interface CellImage {
  readonly dark: boolean;
  /** Dimensions from left to right; null for index order. */
  readonly order: Uint16Array | null;
  /** The magnitude with full color. */
  readonly full: number;
  readonly scale: SignScale;
}

/**
 * Writes the colors of rows `first` ≤ row < `last` of `values` [row, dim] into `pixels` from index `at`, one pixel per cell.
 * Rows folded into several lines have the same pixels; only the width of the image differs.
 */
export function colorCells(
  pixels: Uint32Array,
  at: number,
  values: Float32Array,
  dim: number,
  first: number,
  last: number,
  { dark, order, full, scale }: CellImage,
): void {
  const colors = table(dark);
  for (let row = first; row < last; row++) {
    const from = row * dim;
    for (let n = 0; n < dim; n++, at++) {
      const share = signShare(values[from + (order === null ? n : order[n])], full, scale);
      pixels[at] = colors[ZERO + Math.round(share * ZERO)];
    }
  }
}

/** A buffer for painting vectors, one word per pixel, in this machine's byte order. */
export interface Field {
  readonly pixels: Uint32Array;
  readonly width: number;
  readonly height: number;
}

/** Appearance of vectors, in device pixels. */
export interface StripLook {
  readonly dark: boolean;
  /** The dimension at each place; null for index order. */
  readonly order: Uint16Array | null;
  /** The magnitude with full color. */
  readonly full: number;
  readonly scale: SignScale;
  readonly dim: number;
  /** Lines that one vector is folded into. */
  readonly fold: number;
  readonly width: number;
  readonly height: number;
  /** Places that are grouped without a gap: 2 keeps pairs together, 0 means no gaps at all. */
  readonly group: number;
}

/** Paints vectors one pixel row at a time; each pixel column shows one place of the vector's line. */
export class StripPainter {
  readonly #places: Int32Array;
  readonly #colors: Uint32Array;
  readonly #line: Uint32Array;

  constructor(readonly look: StripLook) {
    const { dark, dim, fold, width, group } = look;
    const across = dim / fold;
    this.#colors = table(dark);
    this.#line = new Uint32Array(width);
    // A gap of one pixel after each group if its cells are wide enough.
    const roomy = group > 0 && width / across >= (group === 1 ? 4 : 3);
    this.#places = Int32Array.from({ length: width }, (_, x) => {
      const place = Math.floor((x * across) / width);
      const next = Math.floor(((x + 1) * across) / width);
      const ends = roomy && next !== place && next % group === 0 && x + 1 < width;
      return ends ? -1 : Math.min(across - 1, place);
    });
  }

  /** Paints `values[from … from + dim)` with its upper left corner at (x, y) and an opacity from 0 to 255. */
  paint(field: Field, values: Float32Array, from: number, x: number, y: number, opacity = 255): void {
    const { dim, fold, width, height, order, full, scale } = this.look;
    const across = dim / fold;
    const left = Math.max(0, -x);
    const right = Math.min(width, field.width - x);
    if (right <= left) return;
    for (let line = 0; line < fold; line++) {
      let [top, bottom] = [Math.round((line * height) / fold), Math.round(((line + 1) * height) / fold)];
      // Lines are separated by a gap, except the two lines of a pair.
      if (line + 1 < fold && !(this.look.group === 1 && line % 2 === 0)) bottom -= 1;
      top = Math.max(top, -y);
      bottom = Math.min(bottom, field.height - y);
      if (bottom <= top) continue;
      let known = -1;
      let color = 0;
      for (let at = left; at < right; at++) {
        const place = this.#places[at];
        if (place === -1) {
          this.#line[at] = 0;
          continue;
        }
        if (place !== known) {
          known = place;
          const n = line * across + place;
          const share = signShare(values[from + (order === null ? n : order[n])], full, scale);
          color = faded(this.#colors[ZERO + Math.round(share * ZERO)], opacity);
        }
        this.#line[at] = color;
      }
      const start = (y + top) * field.width + x;
      field.pixels.set(this.#line.subarray(left, right), start + left);
      for (let row = top + 1; row < bottom; row++) {
        field.pixels.copyWithin(start + (row - top) * field.width + left, start + left, start + right);
      }
    }
  }
}

const LITTLE_ENDIAN = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

/** Returns a pixel with a different opacity. */
function faded(pixel: number, opacity: number): number {
  return LITTLE_ENDIAN
    ? ((pixel & 0xffffff) | (opacity << 24)) >>> 0
    : ((pixel & 0xffffff00) | opacity) >>> 0;
}

const HATCH = 7;
const hatches = new Map<string, OffscreenCanvas>();

/** The fill pattern for masked cells. */
export function hatching(context: CanvasRenderingContext2D, color: string): CanvasPattern | string {
  let tile = hatches.get(color);
  if (tile === undefined) {
    tile = new OffscreenCanvas(HATCH, HATCH);
    const drawn = tile.getContext("2d");
    if (drawn === null) return color;
    drawn.strokeStyle = color;
    drawn.beginPath();
    for (const start of [-HATCH, 0, HATCH]) {
      drawn.moveTo(start, HATCH);
      drawn.lineTo(start + HATCH, 0);
    }
    drawn.stroke();
    hatches.set(color, tile);
  }
  return context.createPattern(tile, "repeat") ?? color;
}
