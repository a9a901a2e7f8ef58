/**
 * Connecting lines as a density: every pixel gathers the opacity of the lines that cross it, and its colour is their
 * mixture. The order of the lines does not matter, and thousands of them cost milliseconds.
 */

import { rise } from "./curve";
import type { LineScales, Lines } from "./lines";
import { headDash } from "./palette";

export interface Raster {
  readonly width: number;
  readonly height: number;
  /** RGBA, not premultiplied, as an ImageData holds it. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer>;
}

/** Draws lines into `width` × `height` device pixels; `ratio` is device pixels for each CSS pixel of the scales. */
export function rasterLines(
  lines: Lines,
  scales: LineScales,
  width: number,
  height: number,
  ratio: number,
): Raster {
  const depth = new Float32Array(width * height * 4);
  const left = Math.max(0, Math.floor(scales.x0 * ratio));
  const right = Math.min(width, Math.ceil(scales.x1 * ratio));
  const rises = Float32Array.from({ length: Math.max(0, right - left + 1) }, (_, column) =>
    rise((left + column - scales.x0 * ratio) / Math.max(1, (scales.x1 - scales.x0) * ratio)),
  );
  for (let at = 0; at < lines.count; at++) {
    const weight = lines.weight[at];
    const opacity = Math.min(0.995, scales.opacity(weight));
    const strand = scales.strand(lines.head[at]);
    const y0 = (scales.queryY(lines.query[at]) + strand) * ratio;
    const y1 = (scales.keyY(lines.key[at]) + strand) * ratio;
    if ((y0 < 0 && y1 < 0) || (y0 >= height && y1 >= height)) continue;
    const amount = -Math.log(1 - opacity) * scales.width(weight) * ratio;
    trace(
      depth,
      width,
      height,
      left,
      rises,
      y0,
      y1,
      amount,
      scales.colour(lines.head[at]),
      dashes(lines.head[at], ratio),
    );
  }
  return { width, height, pixels: develop(depth) };
}

function trace(
  depth: Float32Array,
  width: number,
  height: number,
  left: number,
  rises: Float32Array,
  y0: number,
  y1: number,
  amount: number,
  colour: readonly [number, number, number],
  dash: { readonly period: number; readonly on: number } | null,
): void {
  const [red, green, blue] = colour;
  for (let column = 0; column + 1 < rises.length; column++) {
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
    const share = (amount * Math.hypot(1, high - low - 1)) / (high - low);
    let at = (first * width + left + column) * 4;
    for (let y = first; y <= last; y++, at += width * 4) {
      const part = share * (Math.min(high, y + 1) - Math.max(low, y));
      depth[at] += part * red;
      depth[at + 1] += part * green;
      depth[at + 2] += part * blue;
      depth[at + 3] += part;
    }
  }
}

function dashes(head: number, ratio: number): { readonly period: number; readonly on: number } | null {
  const [on, off] = headDash(head);
  return on === undefined ? null : { period: Math.round((on + off) * ratio), on: on * ratio };
}

function develop(depth: Float32Array): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint8ClampedArray(depth.length);
  for (let at = 0; at < depth.length; at += 4) {
    const total = depth[at + 3];
    if (total === 0) continue;
    pixels[at] = depth[at] / total;
    pixels[at + 1] = depth[at + 1] / total;
    pixels[at + 2] = depth[at + 2] / total;
    pixels[at + 3] = 255 * (1 - Math.exp(-total));
  }
  return pixels;
}
