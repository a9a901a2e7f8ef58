/** Draws many small images into one pixel buffer. */

import type { Rgb } from "./palette";
import type { Pyramid } from "./pyramid";

/** RGBA pixels as 32-bit words, in the byte layout of an ImageData. */
export interface PixelBuffer {
  readonly width: number;
  readonly height: number;
  readonly words: Uint32Array;
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A table of 256 pixel words that interpolates evenly spaced color stops. */
export function inks(stops: readonly Rgb[]): Uint32Array {
  const bytes = new Uint8ClampedArray(256 * 4);
  for (let at = 0; at < 256; at++) {
    const place = (at / 255) * (stops.length - 1);
    const below = Math.min(stops.length - 2, Math.floor(place));
    for (let part = 0; part < 3; part++) {
      const [from, to] = [stops[below][part], stops[below + 1][part]];
      bytes[at * 4 + part] = from + (to - from) * (place - below);
    }
    bytes[at * 4 + 3] = 255;
  }
  return new Uint32Array(bytes.buffer);
}

/**
 * Draws a heat map into a box, clipped to the image; `words[byte]` is the color of a cell. A pixel that covers several
 * cells shows the largest of them, and each cell belongs to exactly one pixel.
 */
export function composeMap(pixels: PixelBuffer, box: Box, pyramid: Pyramid, words: Uint32Array): void {
  const { rows, columns, cells } = pyramid.level(box.height, box.width);
  const [left, right] = inside(box.x, box.width, pixels.width);
  const [top, bottom] = inside(box.y, box.height, pixels.height);
  const across = edges(columns, box.width, left, right);
  const down = edges(rows, box.height, top, bottom);
  const wide = right - left;
  for (let y = top, d = 0; y < bottom; y++, d += 2) {
    const begin = (box.y + y) * pixels.width + box.x + left;
    if (d > 0 && down[d] === down[d - 2] && down[d + 1] === down[d - 1]) {
      pixels.words.copyWithin(begin, begin - pixels.width, begin - pixels.width + wide);
      continue;
    }
    for (let x = 0, at = begin; x < wide; x++, at++) {
      let most = 0;
      for (let row = down[d]; row < down[d + 1]; row++) {
        const line = row * columns;
        for (let column = across[2 * x]; column < across[2 * x + 1]; column++) {
          if (cells[line + column] > most) most = cells[line + column];
        }
      }
      pixels.words[at] = words[most];
    }
  }
}

/** Draws a density the size of the box, clipped to the image; the darkness is 1 − e^−density. */
export function composeDensity(
  pixels: PixelBuffer,
  box: Box,
  density: Float32Array,
  words: Uint32Array,
): void {
  const [left, right] = inside(box.x, box.width, pixels.width);
  const [top, bottom] = inside(box.y, box.height, pixels.height);
  for (let y = top; y < bottom; y++) {
    let at = (box.y + y) * pixels.width + box.x + left;
    let from = y * box.width + left;
    for (let x = left; x < right; x++, at++, from++) {
      pixels.words[at] = words[density[from] === 0 ? 0 : (255 * (1 - Math.exp(-density[from]))) | 0];
    }
  }
}

/** Fills a box with one color, clipped to the image; `stripe` adds diagonal stripes in a second color. */
export function composePlain(pixels: PixelBuffer, box: Box, word: number, stripe: number = word): void {
  const [left, right] = inside(box.x, box.width, pixels.width);
  const [top, bottom] = inside(box.y, box.height, pixels.height);
  for (let y = top; y < bottom; y++) {
    const line = (box.y + y) * pixels.width + box.x;
    for (let x = left; x < right; x++) pixels.words[line + x] = (x + y) % 7 < 2 ? stripe : word;
  }
}

/** The range of a side's pixels that are inside the image; the end is exclusive. */
export function inside(from: number, length: number, room: number): readonly [number, number] {
  const first = Math.max(0, -from);
  return [first, Math.max(first, Math.min(length, room - from))];
}

/**
 * The range of cells shown by each pixel `first` ≤ pixel < `end` of a side; ends are exclusive. If there are fewer cells
 * than pixels, a pixel shows the cell under its center.
 */
export function edges(cells: number, pixels: number, first = 0, end = pixels): Int32Array {
  const found = new Int32Array(2 * (end - first));
  for (let pixel = first, at = 0; pixel < end; pixel++, at += 2) {
    if (cells >= pixels) {
      found[at] = Math.ceil((pixel * cells) / pixels);
      found[at + 1] = Math.ceil(((pixel + 1) * cells) / pixels);
    } else {
      found[at] = Math.floor(((pixel + 0.5) * cells) / pixels);
      found[at + 1] = found[at] + 1;
    }
  }
  return found;
}
