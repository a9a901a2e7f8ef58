/**
 * Connecting lines as a density: every pixel gathers the opacity of the lines that cross it, and its colour is their
 * mixture. The order of the lines does not matter, and thousands of them cost milliseconds.
 */

import { rise } from "./curve";
import type { LineScales, Lines } from "./lines";
import { headDash } from "./palette";

/** A picture that lines are added to, some at a time, and that is then developed into pixels, some rows at a time. */
export class Density {
  readonly #depth: Float32Array;
  readonly #rises: Float32Array;
  readonly #whole: Float32Array;
  readonly #fading: Float32Array;
  /** RGBA, not premultiplied, as an ImageData holds it. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;

  /** `width` × `height` device pixels, from the left to the right end of every line. */
  constructor(
    readonly width: number,
    readonly height: number,
    readonly ratio: number,
  ) {
    this.#depth = new Float32Array(width * height * 4);
    this.pixels = new Uint8ClampedArray(width * height * 4);
    this.#rises = Float32Array.from({ length: width + 1 }, (_, column) => rise(column / width));
    this.#whole = new Float32Array(width).fill(1);
    this.#fading = Float32Array.from({ length: width }, (_, column) => fade(column / width));
  }

  /** Adds lines `from` ≤ at < `to`. The y of the scales is CSS pixels from the top of this picture. */
  add(lines: Lines, scales: LineScales, from = 0, to = lines.count): void {
    const { ratio, height } = this;
    for (let at = from; at < to; at++) {
      const head = lines.head[at];
      const weight = lines.weight[at];
      const strand = scales.strand(head);
      const y0 = (scales.queryY(lines.query[at]) + strand) * ratio;
      const y1 = (scales.keyY(lines.key[at]) + strand) * ratio;
      if ((y0 < 0 && y1 < 0) || (y0 >= height && y1 >= height)) continue;
      const amount = -Math.log(1 - Math.min(0.995, scales.opacity(weight))) * scales.width(weight) * ratio;
      trace(
        this.#depth,
        this.width,
        height,
        this.#rises,
        Math.abs(y1 - y0) > scales.reach * ratio ? this.#fading : this.#whole,
        y0,
        y1,
        amount,
        scales.colour(head),
        dashes(head, ratio),
      );
    }
  }

  /** Turns rows `from` ≤ y < `to` into pixels. */
  develop(from = 0, to = this.height): void {
    const depth = this.#depth;
    for (let at = from * this.width * 4; at < to * this.width * 4; at += 4) {
      const total = depth[at + 3];
      if (total === 0) continue;
      this.pixels[at] = depth[at] / total;
      this.pixels[at + 1] = depth[at + 1] / total;
      this.pixels[at + 2] = depth[at + 2] / total;
      this.pixels[at + 3] = 255 * (1 - Math.exp(-total));
    }
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
  colour: readonly [number, number, number],
  dash: { readonly period: number; readonly on: number } | null,
): void {
  const [red, green, blue] = colour;
  const [begin, end] = columnsInside(rises, y0, y1, height);
  for (let column = begin; column < end; column++) {
    if (strength[column] < 0.001) continue;
    if (dash !== null && column % dash.period >= dash.on) continue;
    let low = y0 + (y1 - y0) * rises[column];
    let high = y0 + (y1 - y0) * rises[column + 1];
    if (low > high) [low, high] = [high, low];
    // A column's piece of the line, one pixel thick around its middle: the amount is shared by the pixels it crosses.
    low -= 0.5;
    high += 0.5;
    if (high <= 0 || low >= height) continue;
    const first = Math.max(0, Math.floor(low));
    const last = Math.min(height - 1, Math.ceil(high) - 1);
    // Steep pieces are as dark per unit of their length as level ones.
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
 * How strong a line to a far row is at a share of its width: it fades within a fifth of it. A query has one such line
 * for each weight that matters, a key may have thousands: at its end they stay faint, or they would be a wall.
 */
function fade(share: number): number {
  const leaving = Math.max(0, 1 - share / 0.2) ** 2;
  const arriving = Math.max(0, 1 - (1 - share) / 0.14) ** 2;
  return leaving + 0.04 * arriving;
}

/** The columns in which a line lies inside the picture: it only ever rises or only ever falls. */
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

function dashes(head: number, ratio: number): { readonly period: number; readonly on: number } | null {
  const [on, off] = headDash(head);
  return on === undefined ? null : { period: Math.round((on + off) * ratio), on: on * ratio };
}
