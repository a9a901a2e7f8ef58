/** What a thumbnail shows of a head: which cells, how dark, in which colors. Pure. */

import { type Hidden, type Thumbnails, weightOf } from "../../compute/thumbnails";
import { inks } from "../../marks/composite";
import { between, colorAt, type Rgb, weightStops } from "../../marks/palette";
import { darkness } from "../../marks/scale";
import type { Palette, Scale, SentenceFilter, ViewSettings } from "../../state/state";
import type { Token } from "../../wire/messages";

export type ThumbnailStyle = "lines" | "map";

/** The longest input that starts with lines. */
const LINES_UP_TO = 32;
/** A head whose heaviest weight off the sink is below this is not drawn as dark as others: 0.3² = 9%. */
const FAINTEST_PEAK = 0.3 * 255;
/** Density of a line of full weight; color is 1 − e^−density of the way from ground to ink. */
const HEAVIEST_LINE = 1.1;
/** Lines less dark than this share of the head's heaviest are not drawn. */
const FAINTEST_LINE = 0.0225;
/** How dark lines to a sink are, beside others of their weight. */
const SINK_SHARE = 0.3;

export function thumbnailStyleOf(wish: ViewSettings["thumbnails"], tokens: number): ThumbnailStyle {
  if (wish !== "auto") return wish;
  return tokens <= LINES_UP_TO ? "lines" : "map";
}

const PANEL = { light: [255, 255, 255], dark: [20, 23, 29] } as const satisfies Record<string, Rgb>;
/** How strongly grounds are tinted, of the smallest and of the largest value: weights stay readable on all of them. */
const TINTED = { least: 0.02, most: 0.56 };
/** How much of a head is left that a filter dims. */
const DIMMED = 0.16;

export interface Coloring {
  readonly look: ThumbnailStyle;
  readonly palette: Palette;
  readonly dark: boolean;
  /** Where a head stands between the smallest and the largest value of the measure; null without a tint. */
  readonly tint: number | null;
  readonly dimmed: boolean;
}

/** From nothing to a full weight. */
export function groundAndInk({ look, palette, dark, tint, dimmed }: Coloring): Uint32Array {
  const panel = PANEL[dark ? "dark" : "light"];
  const stops = weightStops(palette, dark);
  const plain = look === "lines" ? [panel, stops[2], stops[3]] : stops;
  const found = tint === null ? plain : tinted(tintColor(palette, dark, tint), look, dark);
  return inks(dimmed ? found.map((stop) => between(panel, stop, DIMMED)) : found);
}

/** The ground of a head at a share of the measure's range. */
export function tintColor(palette: Palette, dark: boolean, share: number): Rgb {
  const { least, most } = TINTED;
  return colorAt(weightStops(palette, dark), least + (most - least) * share);
}

/** On a tinted ground weights have one color, whatever the tint. */
function tinted(ground: Rgb, look: ThumbnailStyle, dark: boolean): readonly Rgb[] {
  const ink = inkColor(dark);
  return [ground, between(ground, ink, look === "lines" ? 0.4 : 0.46), between(ground, ink, 0.82)];
}

function inkColor(dark: boolean): Rgb {
  return dark ? [255, 255, 255] : [16, 18, 22];
}

export function panelColor(dark: boolean): Rgb {
  return PANEL[dark ? "dark" : "light"];
}

/** The cells that a thumbnail leaves out, and the columns where a sink is. */
export interface CellRules {
  readonly hidden: Hidden;
  readonly sink: (column: number) => boolean;
}

export interface Rules {
  readonly filter: SentenceFilter;
  readonly sinksHidden: boolean;
  readonly sinks: ReadonlySet<number>;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
}

/** The rules for tokens, as rules for the cells of some thumbnails. */
export function cellRules(rules: Rules, { pooled, part }: Pick<Thumbnails, "pooled" | "part">): CellRules {
  const [high, wide] = pooled;
  const { filter, queries, keys } = rules;
  const [top, left] = [part?.queries[0] ?? 0, part?.keys[0] ?? 0];
  const sinkCells = new Set([...rules.sinks].map((key) => Math.floor((key - left) / wide)));
  // A part is of the tokens that are asked for. Of everything, a cell of several tokens is left out only where none of
  // them is to be seen.
  const gone = (tokens: readonly Token[], from: number, size: number, sentence: string) =>
    filter !== "all" &&
    part === null &&
    !tokens.slice(from, from + size).some((token) => token.sentence === sentence);
  return {
    hidden: {
      row: (row) => gone(queries, top + row * high, high, filter[0]),
      column: (column) =>
        gone(keys, left + column * wide, wide, filter[1]) || (rules.sinksHidden && sinkCells.has(column)),
    },
    sink: (column) => sinkCells.has(column),
  };
}

/** The byte that is drawn as dark as can be: the head's heaviest off the sinks. */
export function fullByte(thumbnails: Thumbnails, head: number, { hidden, sink }: CellRules): number {
  const offSink = { row: hidden.row, column: (column: number) => hidden.column(column) || sink(column) };
  return Math.max(FAINTEST_PEAK, thumbnails.peak(head, offSink)?.byte ?? 255);
}

/** The weight that is drawn as dark as can be. */
export function largestWeight(thumbnails: Thumbnails, head: number, rules: Rules): number {
  return weightOf(fullByte(thumbnails, head, cellRules(rules, thumbnails)));
}

/** The color of each byte of a heat map. */
export function mapWords(colors: Uint32Array, full: number, scale: Scale): Uint32Array {
  return Uint32Array.from(
    { length: 256 },
    (_, byte) => colors[Math.round(255 * darkness(relative(byte, full), scale))],
  );
}

/** The weight of a byte beside that of the full one. */
function relative(byte: number, full: number): number {
  return Math.min(1, (byte / full) ** 2);
}

/** How dark a line of each byte is, for thumbnails of `rows` rows drawn `height` pixels high. */
export function lineAmounts(
  full: number,
  rows: number,
  height: number,
  ratio: number,
  scale: Scale,
): Float32Array {
  // Where lines lie closer than pixels, each is fainter, or all would be one wall.
  const room = Math.min(1, (0.25 * height) / (rows * ratio)) ** 0.75;
  return Float32Array.from({ length: 256 }, (_, byte) => {
    const strength = darkness(relative(byte, full), scale);
    return strength < FAINTEST_LINE ? 0 : HEAVIEST_LINE * strength * ratio * room;
  });
}

export function lineShares(columns: number, { sink }: CellRules): Float32Array {
  return Float32Array.from({ length: columns }, (_, column) => (sink(column) ? SINK_SHARE : 1));
}
