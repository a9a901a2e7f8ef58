/** The lines of a thumbnail, gathered as a density: straight, from a row of queries at the left to one of keys at the right. */

import type { Plane } from "./pyramid";

/**
 * Adds up the lines of a plane in `width` × `height` pixels. `amount[byte]` is how dark a line of that byte is; lines to
 * column j are `share[j]` times as dark. The result is `scratch` where that is large enough.
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

/** One line, `depth` for each pixel of its length, shared by the two pixels it runs between. */
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
