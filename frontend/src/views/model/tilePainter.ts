/** Draws the tiles of a matrix that have been computed over the rows of its thumbnail. */

import { type Matrix, TILE, type Tile } from "../../compute/matrices";
import type { Box, PixelBuffer } from "../../marks/composite";
import { Pyramid } from "../../marks/pyramid";
import type { Rules } from "./thumbnailStyle";

/** A tile, ready to be drawn at any size. */
export interface ReadyTile {
  readonly cells: Pyramid;
  /** For differences: the weights of the current pass. */
  readonly pattern: Pyramid | null;
}

export class TilePainter {
  #tiles = new WeakMap<Tile, ReadyTile>();

  /** Forgets which cells are hidden. */
  clear(): void {
    this.#tiles = new WeakMap();
  }

  /** Calls `draw` with the box of each tile that is inside the image. */
  compose(
    pixels: PixelBuffer,
    box: Box,
    matrix: Matrix,
    rules: Rules,
    draw: (box: Box, tile: ReadyTile) => void,
  ): void {
    const [first, end] = matrix.part.queries;
    const edge = (query: number) => box.y + Math.round(((query - first) / (end - first)) * box.height);
    matrix.tiles.forEach((tile, at) => {
      if (tile === undefined) return;
      const top = edge(first + at * TILE);
      const bottom = edge(Math.min(end, first + (at + 1) * TILE));
      if (bottom <= Math.max(0, top) || top >= pixels.height) return;
      draw({ ...box, y: top, height: bottom - top }, this.#ready(tile, matrix, rules));
    });
  }

  #ready(tile: Tile, matrix: Matrix, rules: Rules): ReadyTile {
    const known = this.#tiles.get(tile);
    if (known !== undefined) return known;
    const { rows, columns, cells, pattern } = tile;
    const hide = hiddenOf(tile, matrix, rules);
    const shown = (all: Uint8Array) =>
      new Pyramid({
        rows,
        columns,
        cells: hide === null ? all : all.map((byte, at) => (hide(at) ? 0 : byte)),
      });
    const ready = { cells: shown(cells), pattern: pattern === null ? null : shown(pattern) };
    this.#tiles.set(tile, ready);
    return ready;
  }
}

/** Which cells are hidden: those of sinks, and of tokens dropped by a filter if the part covers all tokens; null if none is. */
function hiddenOf(tile: Tile, matrix: Matrix, rules: Rules): ((at: number) => boolean) | null {
  const { filter, queries, keys, sinks, sinksHidden } = rules;
  const [top, left] = [matrix.part.queries[0], matrix.part.keys[0]];
  const whole = matrix.part.keys[1] - left === keys.length && matrix.part.queries[1] - top === queries.length;
  const filtered = filter !== "all" && whole;
  if (!sinksHidden && !filtered) return null;
  const first = top + matrix.tiles.indexOf(tile) * TILE;
  return (at) => {
    const query = first + Math.floor(at / tile.columns);
    const key = left + (at % tile.columns);
    return (
      (filtered && (queries[query]?.sentence !== filter[0] || keys[key]?.sentence !== filter[1])) ||
      (sinksHidden && sinks.has(key))
    );
  };
}
