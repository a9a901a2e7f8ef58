/** Composes all thumbnails of the window into one ImageData; those that arrive later are added to it. */

import type { Thumbnails } from "../../compute/thumbnails";
import { type Box, composeDensity, composeMap, type Picture } from "../../marks/composite";
import { Pyramid } from "../../marks/pyramid";
import { strandDensity } from "../../marks/strands";
import { pixelRatio } from "../paint";
import { type Grid, inWindow, type Scroll } from "./grid";
import {
  type CellRules,
  cellRules,
  fullByte,
  groundAndInk,
  type Look,
  lineAmounts,
  lineShares,
  mapWords,
  type Rules,
} from "./look";

export interface GridContent {
  readonly layers: ReadonlyMap<number, Thumbnails>;
  readonly rules: Rules;
  readonly look: Look;
  readonly dark: boolean;
  readonly grid: Grid;
}

/** One head, ready to be drawn at any size. */
interface Ready {
  readonly pyramid: Pyramid;
  readonly full: number;
}

export class GridPainter {
  #content: GridContent | null = null;
  #scroll: Scroll = { x: 0, y: 0 };
  #image: ImageData | null = null;
  readonly #painted = new Set<number>();
  #ready = new WeakMap<Thumbnails, { readonly rules: CellRules; readonly heads: Map<number, Ready> }>();
  #scratch = new Float32Array(0);

  constructor(private readonly canvas: HTMLCanvasElement) {}

  /** Paints what is not painted yet; everything anew where the picture itself is another one. */
  paint(content: GridContent, scroll: Scroll): void {
    const before = this.#content;
    const same = before !== null && sameLook(before, content) && sameScroll(scroll, this.#scroll);
    // Layers that were there are still there: another stack or trace comes with a map that lacks them.
    const grown =
      same && [...this.#painted].every((layer) => content.layers.get(layer) === before.layers.get(layer));
    if (before !== null && before.rules !== content.rules) this.#ready = new WeakMap();
    this.#content = content;
    this.#scroll = scroll;
    const { grid } = content;
    const ratio = pixelRatio();
    const width = Math.max(1, Math.round((grid.width - grid.left) * ratio));
    const height = Math.max(1, Math.round((grid.height - grid.top) * ratio));
    if (!grown || this.#image === null) {
      if (this.canvas.width !== width || this.canvas.height !== height) {
        this.canvas.width = width;
        this.canvas.height = height;
      }
      // Rows and columns are composed whole, also where the window cuts them.
      const beyondX = Math.ceil(grid.pitchX * ratio);
      const beyondY = Math.ceil(grid.pitchY * ratio);
      const [w, h] = [width + 2 * beyondX, height + 2 * beyondY];
      if (this.#image?.width === w && this.#image.height === h) this.#image.data.fill(0);
      else this.#image = new ImageData(w, h);
      this.#painted.clear();
    }
    const image = this.#image;
    const origin = {
      x: Math.ceil(grid.pitchX * ratio) - Math.round(scroll.x * ratio),
      y: Math.ceil(grid.pitchY * ratio) - Math.round(scroll.y * ratio),
    };
    const picture = { width: image.width, height: image.height, words: new Uint32Array(image.data.buffer) };
    const colours = groundAndInk(content.dark, content.look);
    const seen = inWindow(grid, scroll);
    let changed = !grown;
    for (let layer = seen.layers[0]; layer < seen.layers[1]; layer++) {
      const thumbnails = content.layers.get(layer);
      if (thumbnails === undefined || this.#painted.has(layer)) continue;
      for (let head = seen.heads[0]; head < Math.min(seen.heads[1], thumbnails.heads); head++) {
        const x = Math.round(head * grid.pitchX * ratio) + origin.x;
        const y = Math.round(layer * grid.pitchY * ratio) + origin.y;
        const box = {
          x,
          y,
          width: Math.max(1, Math.round(grid.cellWidth * ratio)),
          height: Math.max(1, Math.round(grid.cellHeight * ratio)),
        };
        this.#compose(picture, box, thumbnails, head, colours, content, ratio);
      }
      this.#painted.add(layer);
      changed = true;
    }
    if (!changed) return;
    const context = this.canvas.getContext("2d");
    if (context === null) throw new Error("This browser gives no 2d canvas.");
    context.putImageData(image, -Math.ceil(grid.pitchX * ratio), -Math.ceil(grid.pitchY * ratio));
  }

  #compose(
    picture: Picture,
    box: Box,
    thumbnails: Thumbnails,
    head: number,
    colours: Uint32Array,
    content: GridContent,
    ratio: number,
  ): void {
    const { rules, ready } = this.#readied(thumbnails, head, content.rules);
    if (content.look === "map") {
      composeMap(picture, box, ready.pyramid, mapWords(colours, ready.full));
      return;
    }
    const plane = ready.pyramid.level(thumbnails.rows, thumbnails.columns);
    const size = box.width * box.height;
    if (this.#scratch.length < size) this.#scratch = new Float32Array(size);
    const amounts = lineAmounts(ready.full, plane.rows, box.height, ratio);
    const shares = lineShares(plane.columns, rules);
    composeDensity(
      picture,
      box,
      strandDensity(plane, box.width, box.height, amounts, shares, this.#scratch),
      colours,
    );
  }

  #readied(
    thumbnails: Thumbnails,
    head: number,
    all: Rules,
  ): { readonly rules: CellRules; readonly ready: Ready } {
    let kept = this.#ready.get(thumbnails);
    if (kept === undefined) {
      kept = { rules: cellRules(all, thumbnails.pooled), heads: new Map() };
      this.#ready.set(thumbnails, kept);
    }
    let ready = kept.heads.get(head);
    if (ready === undefined) {
      const { rows, columns } = thumbnails;
      ready = {
        pyramid: new Pyramid({ rows, columns, cells: thumbnails.shownCells(head, kept.rules.hidden) }),
        full: fullByte(thumbnails, head, kept.rules),
      };
      kept.heads.set(head, ready);
    }
    return { rules: kept.rules, ready };
  }
}

function sameLook(a: GridContent, b: GridContent): boolean {
  return a.rules === b.rules && a.look === b.look && a.dark === b.dark && a.grid === b.grid;
}

function sameScroll(a: Scroll, b: Scroll): boolean {
  return a.x === b.x && a.y === b.y;
}
