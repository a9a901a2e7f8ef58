/** Pictures of heads as they were composed last, so that a pass that is shown again is copied and not composed again. */

import type { Box, PixelBuffer } from "../../marks/composite";

interface Picture {
  readonly width: number;
  readonly height: number;
  /** Everything else that the picture depends on. */
  readonly look: readonly unknown[];
  readonly words: Uint32Array;
}

/** How many times the image's pixels all pictures together may have. */
const IMAGES = 4;

export class Pictures {
  /** By what is drawn; those used last come last. */
  readonly #kept = new Map<object, Picture>();
  #size = 0;

  /**
   * Draws `of` into a box: a copy of its last picture if that has the same size and look, else what `compose` draws there. A box
   * that is partly outside the image is always composed.
   */
  draw(pixels: PixelBuffer, box: Box, of: object, look: readonly unknown[], compose: () => void): void {
    const { x, y, width, height } = box;
    const whole = x >= 0 && y >= 0 && x + width <= pixels.width && y + height <= pixels.height;
    const known = this.#kept.get(of);
    const fits =
      whole &&
      known?.width === width &&
      known.height === height &&
      known.look.length === look.length &&
      known.look.every((part, at) => part === look[at]);
    if (!fits) compose();
    if (!whole) return;
    const words = fits ? known.words : new Uint32Array(width * height);
    for (let row = 0; row < height; row++) {
      const at = (y + row) * pixels.width + x;
      if (fits) pixels.words.set(words.subarray(row * width, (row + 1) * width), at);
      else words.set(pixels.words.subarray(at, at + width), row * width);
    }
    this.#keep(of, { width, height, look, words }, IMAGES * pixels.width * pixels.height);
  }

  clear(): void {
    this.#kept.clear();
    this.#size = 0;
  }

  #keep(of: object, picture: Picture, most: number): void {
    this.#size += picture.words.length - (this.#kept.get(of)?.words.length ?? 0);
    this.#kept.delete(of);
    this.#kept.set(of, picture);
    for (const [oldest, { words }] of this.#kept) {
      if (this.#size <= most) return;
      this.#kept.delete(oldest);
      this.#size -= words.length;
    }
  }
}
