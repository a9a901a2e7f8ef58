/** Composes the visible thumbnails into one ImageData; thumbnails that arrive later are added. */

import type { Matrix } from "../../compute/matrices";
import type { Thumbnails } from "../../compute/thumbnails";
import { type Box, composeDensity, composeMap, composePlain, type PixelBuffer } from "../../marks/composite";
import type { Rgb } from "../../marks/palette";
import { Pyramid } from "../../marks/pyramid";
import { straightLineDensity } from "../../marks/straightLines";
import type { HeadPlace, Palette, Scale } from "../../state/state";
import { context2d, resize } from "../shared/canvas";
import { rectOf, type View } from "./camera";
import {
  composeDifference,
  composeDifferenceMap,
  DensityScratch,
  type DifferenceHead,
  differenceHead,
} from "./differenceStyle";
import type { Grid } from "./grid";
import { isChip } from "./overlay";
import { Pictures } from "./pictures";
import type { Placement, Slot } from "./placement";
import {
  type CellRules,
  cellRules,
  fullByte,
  groundAndInk,
  lineAmounts,
  lineShares,
  mapWords,
  panelColor,
  type Rules,
  type ThumbnailStyle,
} from "./thumbnailStyle";
import { TilePainter } from "./tilePainter";

/**
 * The background of a thumbnail: a share of the measure's range from 0 to 1, from −1 to 1 for a difference; NaN if undefined,
 * null without a tint.
 */
export type Tint = (place: HeadPlace) => number | null;

export interface GridContent {
  readonly layers: ReadonlyMap<number, Thumbnails>;
  readonly rules: Rules;
  readonly look: ThumbnailStyle;
  readonly palette: Palette;
  readonly scale: Scale;
  readonly dark: boolean;
  readonly grid: Grid;
  readonly placement: Placement;
  readonly tint: Tint;
  /** Whether the tint is a difference. */
  readonly tintSigned: boolean;
  readonly within: (place: HeadPlace) => boolean;
  /** The |difference| with full color in all heads; null if weights are drawn instead of differences. */
  readonly differenceFull: number | null;
  /** Changes when new matrix tiles have arrived. */
  readonly version: number;
  /** Device pixels per CSS pixel. */
  readonly ratio: number;
}

/** One head, ready to be drawn at any size. */
interface Ready {
  readonly pyramid: Pyramid;
  readonly full: number;
  words: { readonly colors: Uint32Array; readonly scale: Scale; readonly words: Uint32Array } | null;
  difference: DifferenceHead | null;
}

/** The number of distinct tint shades. */
const SHADES = 48;

export class GridPainter {
  #content: GridContent | null = null;
  #view: View | null = null;
  #composed: View | null = null;
  #still: HTMLCanvasElement | null = null;
  #stillOf: ImageData | null = null;
  #stillView: View | null = null;
  #image: ImageData | null = null;
  readonly #painted = new Map<number, Thumbnails>();
  #ready = new WeakMap<Thumbnails, { readonly rules: CellRules; readonly heads: Map<number, Ready> }>();
  readonly #tiles = new TilePainter();
  readonly #pictures = new Pictures();
  #colors = new Map<string, Uint32Array>();
  readonly #scratch = new DensityScratch();
  /** How long the last full redraw took, in milliseconds. */
  cost = 0;

  constructor(private readonly canvas: HTMLCanvasElement) {}

  /**
   * Paints what is new, or everything if the image itself changed. `detail` returns the full matrix, possibly incomplete,
   * of heads that are drawn larger than their thumbnails.
   */
  paint(content: GridContent, view: View, detail: ((place: HeadPlace) => Matrix | null) | null): void {
    const before = this.#content;
    const same = before !== null && sameLook(before, content) && this.#view === view;
    // Loaded layers never disappear, but they may be replaced. Another stack or trace has a new map without them.
    const grown = same && [...this.#painted.keys()].every((layer) => content.layers.has(layer));
    if (before !== null && before.rules !== content.rules) {
      this.#ready = new WeakMap();
      this.#tiles.clear();
      this.#pictures.clear();
    }
    if (before !== null && (before.palette !== content.palette || before.dark !== content.dark))
      this.#colors.clear();
    this.#content = content;
    this.#view = view;
    const { grid, placement, ratio } = content;
    if (!grown || this.#image === null) {
      resize(this.canvas, grid.width - grid.left, grid.height - grid.top);
      const { width, height } = this.canvas;
      if (this.#image?.width === width && this.#image.height === height) this.#image.data.fill(0);
      else this.#image = new ImageData(width, height);
      this.#painted.clear();
    }
    const image = this.#image;
    const { width, height } = image;
    const pixels = { width, height, words: new Uint32Array(image.data.buffer) };
    const begun = performance.now();
    let changed = !grown;
    const arrived = new Map<number, Thumbnails>();
    for (const line of placement.lines) {
      for (const slot of line) {
        const thumbnails = content.layers.get(slot.layer);
        if (thumbnails === undefined || slot.head >= thumbnails.heads) continue;
        if (this.#painted.get(slot.layer) === thumbnails) continue;
        arrived.set(slot.layer, thumbnails);
        const box = deviceBox(grid, view, slot, ratio);
        const seen = box.x < width && box.y < height && box.x + box.width > 0 && box.y + box.height > 0;
        if (!seen) continue;
        this.#compose(pixels, box, thumbnails, slot, { ...content, view }, ratio, detail);
      }
    }
    for (const [layer, thumbnails] of arrived) this.#painted.set(layer, thumbnails);
    changed ||= arrived.size > 0;
    if (!changed) return;
    const context = context2d(this.canvas);
    context.putImageData(image, 0, 0);
    if (!grown) this.cost = performance.now() - begun;
    this.#composed = view;
  }

  /** Shows the last image, moved and scaled to the current camera, for frames during motion. */
  stretch(grid: Grid, view: View): void {
    const [content, from] = [this.#content, this.#composed];
    if (content === null || this.#image === null || from === null) return;
    const context = context2d(this.canvas);
    this.#still ??= document.createElement("canvas");
    if (this.#stillOf !== this.#image || this.#stillView !== from) {
      this.#still.width = this.#image.width;
      this.#still.height = this.#image.height;
      this.#still.getContext("2d")?.putImageData(this.#image, 0, 0);
      this.#stillOf = this.#image;
      this.#stillView = from;
    }
    const { ratio } = content;
    const [across, down] = [view.pitchX / from.pitchX, view.pitchY / from.pitchY];
    const x = (view.x - grid.left - (from.x - grid.left) * across) * ratio;
    const y = (view.y - grid.top - (from.y - grid.top) * down) * ratio;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(this.#still, x, y, this.#image.width * across, this.#image.height * down);
    this.#view = null;
  }

  #compose(
    pixels: PixelBuffer,
    box: Box,
    thumbnails: Thumbnails,
    slot: Slot,
    content: GridContent & { readonly view: View },
    ratio: number,
    detail: ((place: HeadPlace) => Matrix | null) | null,
  ): void {
    const { rules, ready } = this.#readied(thumbnails, slot.head, content.rules);
    const tint = content.tint(slot);
    const dimmed = !content.within(slot);
    const colors = this.#colorsFor(content, tint, dimmed);
    if (tint !== null && Number.isNaN(tint)) {
      composePlain(pixels, box, word(panelColor(content.dark)), colors[20]);
      return;
    }
    if (isChip(content.placement.labels, rectOf(content.grid, content.view, slot))) {
      composePlain(pixels, box, colors[0]);
      return;
    }
    if (content.differenceFull !== null && tint === null) {
      const { look, scale, dark, differenceFull: full } = content;
      const style = { look, scale, dark, full, dimmed };
      ready.difference ??= differenceHead(thumbnails, slot.head, rules);
      const head = ready.difference;
      const scaleOf = head.codes === null ? null : full; // equal heads look the same whatever others do
      this.#pictures.draw(pixels, box, ready, [look, scale, scaleOf, dark, dimmed, ratio], () =>
        composeDifference(pixels, box, head, style, ratio, this.#scratch),
      );
      const matrix = look === "map" ? (detail?.(slot) ?? null) : null;
      if (matrix !== null)
        this.#tiles.compose(pixels, box, matrix, content.rules, (at, { cells, pattern }) => {
          if (pattern !== null)
            composeDifferenceMap(pixels, at, { pattern, codes: cells, full: head.full }, style);
        });
      return;
    }
    if (content.look === "map") {
      if (ready.words?.colors !== colors || ready.words.scale !== content.scale) {
        const words = mapWords(colors, ready.full, content.scale);
        ready.words = { colors, scale: content.scale, words };
      }
      const { words } = ready.words;
      this.#pictures.draw(pixels, box, ready, [words], () => composeMap(pixels, box, ready.pyramid, words));
      const matrix = detail?.(slot) ?? null;
      if (matrix !== null)
        this.#tiles.compose(pixels, box, matrix, content.rules, (at, tile) =>
          composeMap(pixels, at, tile.cells, words),
        );
      return;
    }
    this.#pictures.draw(pixels, box, ready, [colors, content.scale, ratio], () => {
      const plane = ready.pyramid.level(thumbnails.rows, thumbnails.columns);
      const scratch = this.#scratch.get(0, box.width * box.height);
      const amounts = lineAmounts(ready.full, plane.rows, box.height, ratio, content.scale);
      const shares = lineShares(plane.columns, rules);
      const density = straightLineDensity(plane, box.width, box.height, amounts, shares, scratch);
      composeDensity(pixels, box, density, colors);
    });
  }

  #colorsFor(
    { look, palette, dark, tintSigned }: GridContent,
    tint: number | null,
    dimmed: boolean,
  ): Uint32Array {
    const shade = tint === null || Number.isNaN(tint) ? null : Math.round(tint * SHADES) / SHADES;
    const name = `${look} ${shade} ${tintSigned} ${dimmed}`;
    let colors = this.#colors.get(name);
    if (colors === undefined) {
      colors = groundAndInk({ look, palette, dark, tint: shade, tintSigned, dimmed });
      this.#colors.set(name, colors);
    }
    return colors;
  }

  #readied(
    thumbnails: Thumbnails,
    head: number,
    all: Rules,
  ): { readonly rules: CellRules; readonly ready: Ready } {
    let kept = this.#ready.get(thumbnails);
    if (kept === undefined) {
      kept = { rules: cellRules(all, thumbnails), heads: new Map() };
      this.#ready.set(thumbnails, kept);
    }
    let ready = kept.heads.get(head);
    if (ready === undefined) {
      const { rows, columns } = thumbnails;
      ready = {
        pyramid: new Pyramid({ rows, columns, cells: thumbnails.shownCells(head, kept.rules.hidden) }),
        full: fullByte(thumbnails, head, kept.rules),
        words: null,
        difference: null,
      };
      kept.heads.set(head, ready);
    }
    return { rules: kept.rules, ready };
  }
}

function deviceBox(grid: Grid, view: View, slot: Slot, ratio: number): Box {
  const rect = rectOf(grid, view, slot);
  const x = Math.round((rect.x - grid.left) * ratio);
  const y = Math.round((rect.y - grid.top) * ratio);
  return {
    x,
    y,
    width: Math.max(1, Math.round(rect.width * ratio)),
    height: Math.max(1, Math.round(rect.height * ratio)),
  };
}

function word([red, green, blue]: Rgb): number {
  return new Uint32Array(new Uint8Array([red, green, blue, 255]).buffer)[0];
}

function sameLook(a: GridContent, b: GridContent): boolean {
  return (Object.keys(a) as (keyof GridContent)[]).every((part) => part === "layers" || a[part] === b[part]);
}
