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
const IMAGES = 6;
/** Pictures per head: the legend under the image has another height in differences, so a head alternates between two sizes. */
const PER_HEAD = 2;

export class Pictures {
  /** By what is drawn; those used last come last, also among the pictures of one head. */
  readonly #kept = new Map<object, readonly Picture[]>();
  #size = 0;

  /**
   * Draws `of` into a box: a copy of one of its last pictures if that has the same size and look, else what `compose` draws
   * there. A box that is partly outside the image is always composed.
   */
  draw(pixels: PixelBuffer, box: Box, of: object, look: readonly unknown[], compose: () => void): void {
    const { x, y, width, height } = box;
    const whole = x >= 0 && y >= 0 && x + width <= pixels.width && y + height <= pixels.height;
    if (!whole) {
      compose();
      return;
    }
    const known = this.#kept.get(of)?.find((one) => fits(one, box, look));
    if (known === undefined) compose();
    const picture = known ?? { width, height, look, words: new Uint32Array(width * height) };
    for (let row = 0; row < height; row++) {
      const own = picture.words.subarray(row * width, (row + 1) * width);
      const at = (y + row) * pixels.width + x;
      if (known === undefined) own.set(pixels.words.subarray(at, at + width));
      else pixels.words.set(own, at);
    }
    this.#keep(of, picture, IMAGES * pixels.width * pixels.height);
  }

  clear(): void {
    this.#kept.clear();
    this.#size = 0;
  }

  #keep(of: object, picture: Picture, most: number): void {
    const before = this.#kept.get(of) ?? [];
    const now = [...before.filter((one) => one !== picture).slice(1 - PER_HEAD), picture];
    this.#size += sizeOf(now) - sizeOf(before);
    this.#kept.delete(of);
    this.#kept.set(of, now);
    for (const [oldest, pictures] of this.#kept) {
      if (this.#size <= most) return;
      this.#kept.delete(oldest);
      this.#size -= sizeOf(pictures);
    }
  }
}

function fits(picture: Picture, { width, height }: Box, look: readonly unknown[]): boolean {
  return (
    picture.width === width &&
    picture.height === height &&
    picture.look.length === look.length &&
    picture.look.every((part, at) => part === look[at])
  );
}

function sizeOf(pictures: readonly Picture[]): number {
  return pictures.reduce((sum, { words }) => sum + words.length, 0);
}
