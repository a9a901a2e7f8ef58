/** Many small pictures written into the pixels of one. */

import type { Rgb } from "./palette";
import type { Pyramid } from "./pyramid";

/** RGBA pixels as whole words, the bytes of an ImageData. */
export interface Picture {
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

/** 256 words from the first to the last of some colours, spread evenly. */
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
 * A heat map in a box that lies inside the picture: `words[byte]` for each pixel. A pixel that stands for several cells
 * shows the largest of them, every cell belonging to one pixel.
 */
export function composeMap(picture: Picture, box: Box, pyramid: Pyramid, words: Uint32Array): void {
  const { rows, columns, cells } = pyramid.level(box.height, box.width);
  const across = edges(columns, box.width);
  const down = edges(rows, box.height);
  for (let y = 0; y < box.height; y++) {
    let at = (box.y + y) * picture.width + box.x;
    for (let x = 0; x < box.width; x++, at++) {
      let most = 0;
      for (let row = down[2 * y]; row < down[2 * y + 1]; row++) {
        const line = row * columns;
        for (let column = across[2 * x]; column < across[2 * x + 1]; column++) {
          if (cells[line + column] > most) most = cells[line + column];
        }
      }
      picture.words[at] = words[most];
    }
  }
}

/** A density in a box that lies inside the picture: darker towards 1 − e^−density. */
export function composeDensity(picture: Picture, box: Box, density: Float32Array, words: Uint32Array): void {
  for (let y = 0, from = 0; y < box.height; y++) {
    let at = (box.y + y) * picture.width + box.x;
    for (let x = 0; x < box.width; x++, at++, from++) {
      picture.words[at] = words[density[from] === 0 ? 0 : (255 * (1 - Math.exp(-density[from]))) | 0];
    }
  }
}

/** For each pixel the cells it shows, first and one after the last: shares of them all, or the one under its middle. */
export function edges(cells: number, pixels: number): Int32Array {
  const found = new Int32Array(2 * pixels);
  for (let pixel = 0; pixel < pixels; pixel++) {
    if (cells >= pixels) {
      found[2 * pixel] = Math.ceil((pixel * cells) / pixels);
      found[2 * pixel + 1] = Math.ceil(((pixel + 1) * cells) / pixels);
    } else {
      found[2 * pixel] = Math.floor(((pixel + 0.5) * cells) / pixels);
      found[2 * pixel + 1] = found[2 * pixel] + 1;
    }
  }
  return found;
}
