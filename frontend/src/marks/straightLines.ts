/** The lines of a thumbnail as a density: straight lines from the queries on the left to the keys on the right. */

import type { Plane } from "./pyramid";

/**
 * Accumulates the lines of a plane in `width` × `height` pixels. `amount[byte]` is the darkness of a line with that byte;
 * lines to column j are multiplied by `share[j]`. Returns `scratch` if it is large enough.
 */
export function straightLineDensity(
  { rows, columns, cells }: Plane,
  width: number,
  height: number,
  amount: Float32Array,
  share: Float32Array,
  scratch?: Float32Array,
): Float32Array {
  const size = width * height;
  const density = scratch !== undefined && scratch.length >= size ? scratch : new Float32Array(size);
  density.fill(0, 0, size);
  for (let row = 0; row < rows; row++) {
    const from = ((row + 0.5) / rows) * height - 0.5;
    for (let column = 0; column < columns; column++) {
      const depth = amount[cells[row * columns + column]] * share[column];
      if (depth > 0) line(density, width, height, from, ((column + 0.5) / columns) * height - 0.5, depth);
    }
  }
  return density;
}

/** Draws one antialiased line that adds `depth` per pixel of its length. */
function line(
  density: Float32Array,
  width: number,
  height: number,
  y0: number,
  y1: number,
  depth: number,
): void {
  const last = height - 1;
  const steep = Math.abs(y1 - y0) > width;
  const steps = steep ? Math.max(1, Math.round(Math.abs(y1 - y0))) : width;
  const part = steep ? depth : (depth * Math.hypot(width, y1 - y0)) / width;
  for (let step = 0; step < steps; step++) {
    const along = (step + 0.5) / steps;
    const x = Math.min(width - 1, (along * width) | 0);
    const y = Math.max(0, Math.min(last, y0 + (y1 - y0) * along));
    const above = y | 0;
    const rest = y - above;
    const at = above * width + x;
    density[at] += part * (1 - rest);
    if (rest > 0) density[at + width] += part * rest;
  }
}
