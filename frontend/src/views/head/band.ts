/**
 * The picture of all lines, kept for a band of rows somewhat higher than the window: scrolling moves it, and the next
 * band is drawn in the background, a few milliseconds of each frame.
 */

import type { LayerField } from "../../compute/field";
import { Density } from "../../marks/density";
import { type LineList, strokeLines } from "../../marks/lines";
import type { Scale } from "../../state/state";
import { type Layout, visibleRows } from "../layout";
import { leastVisible, type Painting, pixelRatio, prepare, scalesOf } from "../paint";
import type { Shown } from "../reading";
import { type Collected, linesAmong } from "./collect";

/** Lines that a canvas strokes quickly; more are rasterised. */
const MOST_STROKES = 2500;
/** Milliseconds of a frame for a band that nobody waits for, and for one that somebody does. */
const SLICE = { ahead: 6, awaited: 40 };

export interface BandContent {
  readonly field: LayerField;
  readonly version: number;
  readonly shown: Shown;
  readonly scale: Scale;
  readonly dark: boolean;
  readonly layout: Layout;
}

/** What there is to say of a picture: what it leaves out. */
export interface Drawn {
  readonly threshold: number;
  readonly complete: boolean;
  readonly fading: boolean;
}

interface Band extends Collected {
  readonly content: BandContent;
  /** Scroll position of the band's upper edge, and its height, CSS pixels. */
  readonly top: number;
  readonly height: number;
  readonly bitmap: HTMLCanvasElement | null;
}

export class BandPainter {
  #band: Band | null = null;
  #work: {
    readonly content: BandContent;
    readonly top: number;
    readonly steps: Iterator<void, Band>;
  } | null = null;
  #frame = 0;

  constructor(
    private readonly canvas: () => HTMLCanvasElement,
    private readonly onBand: (drawn: Drawn) => void,
  ) {}

  get lines(): LineList | null {
    return this.#band?.lines ?? null;
  }

  close(): void {
    cancelAnimationFrame(this.#frame);
    this.#work = null;
  }

  /** Shows the lines of `content` at a scroll position, now or over the next frames. */
  show(content: BandContent, scroll: number): void {
    const fits = this.#band !== null && sameContent(this.#band.content, content);
    if (!fits || !this.#covers(this.#band, content, scroll, 0.4)) this.#begin(content, scroll);
    if (this.#band !== null && this.#band.content.layout === content.layout) this.#paint(content, scroll);
    this.#scroll = scroll;
  }

  #scroll = 0;

  /** Whether a band holds the window and `spare` windows more on either side, as far as there are rows. */
  #covers(band: Band | null, { layout }: BandContent, scroll: number, spare: number): boolean {
    if (band === null) return false;
    const from = Math.max(0, scroll - spare * layout.height);
    const to = Math.min(Math.max(layout.extent, layout.height), scroll + (1 + spare) * layout.height);
    return band.top <= from && band.top + band.height >= to - 1;
  }

  #begin(content: BandContent, scroll: number): void {
    const { layout } = content;
    const whole = Math.max(layout.extent, layout.height);
    const top = Math.max(0, Math.min(scroll - layout.height, whole - 3 * layout.height));
    if (
      this.#work !== null &&
      sameContent(this.#work.content, content) &&
      Math.abs(this.#work.top - top) < layout.height / 2
    )
      return;
    const height = Math.min(whole, 3 * layout.height);
    this.#work = { content, top, steps: build(content, top, height) };
    cancelAnimationFrame(this.#frame);
    this.#advance();
  }

  #advance = (): void => {
    const work = this.#work;
    if (work === null) return;
    const awaited =
      this.#band === null ||
      !this.#covers(this.#band, work.content, this.#scroll, 0) ||
      !sameContent(this.#band.content, work.content);
    const until = performance.now() + (awaited ? SLICE.awaited : SLICE.ahead);
    while (performance.now() < until) {
      const step = work.steps.next();
      if (step.done) {
        this.#work = null;
        this.#band = step.value;
        this.#paint(work.content, this.#scroll);
        const { threshold, complete, bitmap } = step.value;
        const fading = bitmap !== null && work.content.layout.extent > 1.5 * work.content.layout.height;
        this.onBand({ threshold, complete, fading });
        return;
      }
    }
    this.#frame = requestAnimationFrame(this.#advance);
  };

  #paint({ layout }: BandContent, scroll: number): void {
    const band = this.#band;
    if (band === null) return;
    const context = prepare(this.canvas(), layout.width, layout.height);
    if (band.bitmap === null) {
      strokeLines(context, band.lines, scalesOf(painting(band.content, scroll)));
    } else {
      context.drawImage(
        band.bitmap,
        layout.lineX0,
        band.top - scroll,
        layout.lineX1 - layout.lineX0,
        band.height,
      );
    }
  }
}

function painting({ layout, scale, dark, shown }: BandContent, scroll: number): Painting {
  return { layout, scroll, scale, dark, heads: shown.heads };
}

function* build(content: BandContent, top: number, height: number): Generator<void, Band> {
  const { field, shown, layout, scale } = content;
  const rows = { ...layout, height };
  const queries = visibleRows(rows, top, field.queries);
  const keys = visibleRows(rows, top, field.keys);
  const found = yield* linesAmong(field, shown, queries, keys, leastVisible(scale));
  if (found.lines.count <= MOST_STROKES) return { ...found, content, top, height, bitmap: null };
  const ratio = pixelRatio();
  const width = Math.max(1, Math.round((layout.lineX1 - layout.lineX0) * ratio));
  const density = new Density(width, Math.round(height * ratio), ratio);
  const scales = scalesOf(painting(content, top));
  for (let at = 0; at < found.lines.count; at += 100) {
    density.add(found.lines, scales, at, Math.min(found.lines.count, at + 100));
    yield;
  }
  for (let y = 0; y < density.height; y += 40) {
    density.develop(y, Math.min(density.height, y + 40));
    yield;
  }
  const bitmap = document.createElement("canvas");
  bitmap.width = density.width;
  bitmap.height = density.height;
  bitmap.getContext("2d")?.putImageData(new ImageData(density.pixels, density.width, density.height), 0, 0);
  return { ...found, content, top, height, bitmap };
}

function sameContent(a: BandContent, b: BandContent): boolean {
  return (
    a.field === b.field &&
    a.version === b.version &&
    a.shown === b.shown &&
    a.scale === b.scale &&
    a.dark === b.dark &&
    a.layout === b.layout
  );
}
