/**
 * Connecting lines as a density: each pixel accumulates the opacity of the lines that cross it and mixes their colors.
 * The order of the lines does not matter, and thousands of lines take milliseconds.
 */

import { rise } from "./curve";
import type { LineScales, Lines } from "./lines";
import { headDash, type Rgb } from "./palette";

export interface CurveLook {
  readonly head: number;
  /** How much the line darkens pixels; see `amountOf`. */
  readonly amount: number;
  readonly color: Rgb;
  readonly fades: boolean;
  /** Lengths of dash and gap in CSS pixels; by default those that tell heads apart. */
  readonly dash?: readonly number[];
}

/** How much a line darkens the pixels it crosses. Amounts of overlapping lines add up. */
export function amountOf(weight: number, scales: LineScales): number {
  return -Math.log(1 - Math.min(0.995, scales.opacity(weight))) * scales.width(weight);
}

/** Accumulates lines and renders them as RGBA pixels for an ImageData. */
export class Density {
  readonly #depth: Float32Array;
  readonly #rises: Float32Array;
  readonly #whole: Float32Array;
  readonly #fading: Float32Array;

  /** `width` × `height` device pixels; every line spans the full width. */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly ratio: number,
  ) {
    this.#depth = new Float32Array(width * height * 4);
    this.#rises = Float32Array.from({ length: width + 1 }, (_, column) => rise(column / width));
    this.#whole = new Float32Array(width).fill(1);
    this.#fading = Float32Array.from({ length: width }, (_, column) => fade(column / width));
  }

  /** Removes all lines. */
  clear(): void {
    this.#depth.fill(0);
  }

  /** Adds lines. The scales give y in CSS pixels from the top of the image. */
  add(lines: Lines, scales: LineScales): void {
    for (let at = 0; at < lines.count; at++) {
      const head = lines.head[at];
      const strand = scales.strand(head);
      const y0 = scales.queryY(lines.query[at]) + strand;
      const y1 = scales.keyY(lines.key[at]) + strand;
      const fades = Math.abs(y1 - y0) > scales.reach;
      this.curve(y0, y1, {
        head,
        amount: amountOf(lines.weight[at], scales),
        color: scales.color(head, lines.weight[at]),
        fades,
        dash: scales.dash?.(head),
      });
    }
  }

  /** Adds one line from y0 to y1, in CSS pixels. A bundle of lines is one line with the sum of their amounts. */
  curve(y0: number, y1: number, { head, amount, color, fades, dash = headDash(head) }: CurveLook): void {
    const { ratio, height } = this;
    if ((y0 < 0 && y1 < 0) || (y0 * ratio >= height && y1 * ratio >= height)) return;
    trace(
      this.#depth,
      this.width,
      height,
      this.#rises,
      fades ? this.#fading : this.#whole,
      y0 * ratio,
      y1 * ratio,
      amount * ratio,
      color,
      dashes(dash, ratio),
    );
  }

  /** Renders the pixels row by row; with `turned`, transposed. */
  develop(turned: boolean): Uint8ClampedArray<ArrayBuffer> {
    const { width, height } = this;
    const depth = this.#depth;
    const pixels = new Uint8ClampedArray(width * height * 4);
    for (let cell = 0; cell < width * height; cell++) {
      const total = depth[cell * 4 + 3];
      if (total === 0) continue;
      const x = cell % width;
      const at = 4 * (turned ? x * height + (cell - x) / width : cell);
      pixels[at] = depth[cell * 4] / total;
      pixels[at + 1] = depth[cell * 4 + 1] / total;
      pixels[at + 2] = depth[cell * 4 + 2] / total;
      pixels[at + 3] = 255 * (1 - Math.exp(-total));
    }
    return pixels;
  }
}

function trace(
  depth: Float32Array,
  width: number,
  height: number,
  rises: Float32Array,
  strength: Float32Array,
  y0: number,
  y1: number,
  amount: number,
  color: readonly [number, number, number],
  dash: { readonly period: number; readonly on: number } | null,
): void {
  const [red, green, blue] = color;
  const [begin, end] = columnsInside(rises, y0, y1, height);
  for (let column = begin; column < end; column++) {
    if (strength[column] < 0.001) continue;
    if (dash !== null && column % dash.period >= dash.on) continue;
    let low = y0 + (y1 - y0) * rises[column];
    let high = y0 + (y1 - y0) * rises[column + 1];
    if (low > high) [low, high] = [high, low];
    // The segment in this column is one pixel thick, and its amount is divided among the pixels it crosses.
    low -= 0.5;
    high += 0.5;
    if (high <= 0 || low >= height) continue;
    const first = Math.max(0, Math.floor(low));
    const last = Math.min(height - 1, Math.ceil(high) - 1);
    // Steep segments are as dark per unit of length as horizontal ones.
    const share = (amount * strength[column] * Math.hypot(1, high - low - 1)) / (high - low);
    let at = (first * width + column) * 4;
    for (let y = first; y <= last; y++, at += width * 4) {
      const part = share * (Math.min(high, y + 1) - Math.max(low, y));
      depth[at] += part * red;
      depth[at + 1] += part * green;
      depth[at + 2] += part * blue;
      depth[at + 3] += part;
    }
  }
}

/**
 * The strength of a line to a distant row at a fraction of its width: it fades out within the first fifth. A query has one
 * such line per relevant weight, but a key may have thousands, so the lines stay faint at the key end.
 */
function fade(share: number): number {
  const leaving = Math.max(0, 1 - share / 0.2) ** 2;
  const arriving = Math.max(0, 1 - (1 - share) / 0.14) ** 2;
  return leaving + 0.04 * arriving;
}

/** The range of columns in which a line, which is monotonic, is inside the image. */
function columnsInside(
  rises: Float32Array,
  y0: number,
  y1: number,
  height: number,
): readonly [number, number] {
  const last = rises.length - 1;
  if (Math.abs(y1 - y0) < 1) return [0, last];
  const down = y1 > y0;
  const enter = ((down ? -1 : height + 1) - y0) / (y1 - y0);
  const leave = ((down ? height + 1 : -1) - y0) / (y1 - y0);
  return [Math.max(0, firstAbove(rises, enter) - 1), Math.min(last, firstAbove(rises, leave) + 1)];
}

function firstAbove(rises: Float32Array, share: number): number {
  let [low, high] = [0, rises.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rises[middle] < share) low = middle + 1;
    else high = middle;
  }
  return low;
}

function dashes(
  [on, off]: readonly number[],
  ratio: number,
): { readonly period: number; readonly on: number } | null {
  return on === undefined ? null : { period: Math.round((on + off) * ratio), on: on * ratio };
}
