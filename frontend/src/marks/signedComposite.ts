/** Draws differences over what a pixel buffer already shows: cells of a heat map, and lines of both signs. */

import { type Box, edges, inside, type PixelBuffer } from "./composite";
import type { Rgb } from "./palette";
import type { Pyramid } from "./pyramid";

/** A color and an opacity, from 0 to 255, for each byte of a cell. */
export interface Glaze {
  readonly colors: readonly Rgb[];
  readonly opacity: Uint8Array;
}

/**
 * Draws the cells of a pyramid over a box, clipped to the image. A pixel that covers several cells shows the largest byte, as
 * in `composeMap`, mixed into the pixel by its opacity.
 */
export function overlayMap(
  pixels: PixelBuffer,
  box: Box,
  pyramid: Pyramid,
  { colors, opacity }: Glaze,
): void {
  const { rows, columns, cells } = pyramid.level(box.height, box.width);
  const bytes = new Uint8Array(pixels.words.buffer, pixels.words.byteOffset, 4 * pixels.words.length);
  const [left, right] = inside(box.x, box.width, pixels.width);
  const [top, bottom] = inside(box.y, box.height, pixels.height);
  const across = edges(columns, box.width, left, right);
  const down = edges(rows, box.height, top, bottom);
  for (let y = top, d = 0; y < bottom; y++, d += 2) {
    let at = 4 * ((box.y + y) * pixels.width + box.x + left);
    for (let x = 0; x < right - left; x++, at += 4) {
      let most = 0;
      for (let row = down[d]; row < down[d + 1]; row++) {
        const line = row * columns;
        for (let column = across[2 * x]; column < across[2 * x + 1]; column++) {
          if (cells[line + column] > most) most = cells[line + column];
        }
      }
      if (opacity[most] > 0) mix(bytes, at, colors[most], opacity[most] / 255);
    }
  }
}

/** The densities of rising and falling lines, each the size of the box. */
export interface SignedDensity {
  readonly up: Float32Array;
  readonly down: Float32Array;
}

/**
 * Draws both densities over a box, clipped to the image. The opacity is 1 − e^−(up + down); where lines of both signs cross,
 * their colors mix by density.
 */
export function overlayDensity(
  pixels: PixelBuffer,
  box: Box,
  { up, down }: SignedDensity,
  colors: { readonly up: Rgb; readonly down: Rgb },
): void {
  const bytes = new Uint8Array(pixels.words.buffer, pixels.words.byteOffset, 4 * pixels.words.length);
  const [left, right] = inside(box.x, box.width, pixels.width);
  const [top, bottom] = inside(box.y, box.height, pixels.height);
  for (let y = top; y < bottom; y++) {
    let at = 4 * ((box.y + y) * pixels.width + box.x + left);
    let from = y * box.width + left;
    for (let x = left; x < right; x++, at += 4, from++) {
      const total = up[from] + down[from];
      if (total === 0) continue;
      const opacity = 1 - Math.exp(-total);
      const rising = up[from] / total;
      for (let part = 0; part < 3; part++) {
        const color = colors.down[part] + (colors.up[part] - colors.down[part]) * rising;
        bytes[at + part] += (color - bytes[at + part]) * opacity;
      }
    }
  }
}

function mix(bytes: Uint8Array, at: number, color: Rgb, share: number): void {
  for (let part = 0; part < 3; part++) bytes[at + part] += (color[part] - bytes[at + part]) * share;
}
