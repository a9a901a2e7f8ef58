/** The appearance of a thumbnail: which cells, how dark, in which colors. Pure. */

import { type Hidden, type Thumbnails, weightOf } from "../../compute/thumbnails";
import { inks } from "../../marks/composite";
import { signColor } from "../../marks/neuron";
import { between, colorAt, type Rgb, weightStops } from "../../marks/palette";
import { darkness } from "../../marks/scale";
import type { Palette, Scale, SentenceFilter, ViewSettings } from "../../state/state";
import type { Token } from "../../wire/messages";

export type ThumbnailStyle = "lines" | "map";

/** The longest input that is drawn as lines by default. */
const LINES_UP_TO = 32;
/** A head whose largest weight without sinks is below this is drawn lighter than others: 0.3² = 9%. */
const FAINTEST_PEAK = 0.3 * 255;
/** Density of a line with full weight. The color is 1 − e^−density of the way from background to ink. */
const HEAVIEST_LINE = 1.1;
/** Lines lighter than this share of the head's darkest line are not drawn. */
const FAINTEST_LINE = 0.0225;
/** Darkness of lines to a sink, relative to other lines of the same weight. */
const SINK_SHARE = 0.3;

export function thumbnailStyleOf(wish: ViewSettings["thumbnails"], tokens: number): ThumbnailStyle {
  if (wish !== "auto") return wish;
  return tokens <= LINES_UP_TO ? "lines" : "map";
}

const PANEL = { light: [255, 255, 255], dark: [20, 23, 29] } as const satisfies Record<string, Rgb>;
/** Strength of the tint for the smallest and the largest value, chosen so that weights stay readable. */
const TINTED = { least: 0.02, most: 0.56 };
/** The same for a tint that is a difference: its colors begin at white. */
const SIGNED_TINT = 0.8;
/** Remaining opacity of a head that a filter dims. */
export const DIMMED = 0.16;

export interface Coloring {
  readonly look: ThumbnailStyle;
  readonly palette: Palette;
  readonly dark: boolean;
  /** A head's position between the smallest and the largest value of the measure, or from −1 to 1; null without a tint. */
  readonly tint: number | null;
  /** Whether the tint is a difference: from −1 to 1, in the colors of signs. */
  readonly tintSigned: boolean;
  readonly dimmed: boolean;
}

/** Color stops from weight 0 to full weight. */
export function groundAndInk({ look, palette, dark, tint, tintSigned, dimmed }: Coloring): Uint32Array {
  const panel = PANEL[dark ? "dark" : "light"];
  const stops = weightStops(palette, dark);
  const plain = look === "lines" ? [panel, stops[2], stops[3]] : stops;
  const found = tint === null ? plain : tinted(tintColor(palette, dark, tint, tintSigned), look, dark);
  return inks(dimmed ? found.map((stop) => between(panel, stop, DIMMED)) : found);
}

/** The background of a head at a share of the measure's range; `signed` shares go from −1 to 1. */
export function tintColor(palette: Palette, dark: boolean, share: number, signed: boolean): Rgb {
  if (signed) return between(weightStops("gray", dark)[0], signColor(share, dark), SIGNED_TINT);
  const { least, most } = TINTED;
  return colorAt(weightStops(palette, dark), least + (most - least) * share);
}

/** On tinted backgrounds, weights have the same color for all tints. */
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

/** The hidden cells of a thumbnail, and the columns of sinks. */
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

/** Converts rules for tokens into rules for thumbnail cells. */
export function cellRules(rules: Rules, { pooled, part }: Pick<Thumbnails, "pooled" | "part">): CellRules {
  const [high, wide] = pooled;
  const { filter, queries, keys } = rules;
  const [top, left] = [part?.queries[0] ?? 0, part?.keys[0] ?? 0];
  const sinkCells = new Set([...rules.sinks].map((key) => Math.floor((key - left) / wide)));
  // A part already has only the requested tokens. If it covers all tokens, a cell of several tokens is hidden only when all
  // of them are.
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

/** The byte with full darkness: the head's largest weight without sinks. */
export function fullByte(thumbnails: Thumbnails, head: number, { hidden, sink }: CellRules): number {
  const offSink = { row: hidden.row, column: (column: number) => hidden.column(column) || sink(column) };
  return Math.max(FAINTEST_PEAK, thumbnails.peak(head, offSink)?.byte ?? 255);
}

/** The weight with full darkness. */
export function largestWeight(thumbnails: Thumbnails, head: number, rules: Rules): number {
  return weightOf(fullByte(thumbnails, head, cellRules(rules, thumbnails)));
}

/** The color table of a heat map, by byte. */
export function mapWords(colors: Uint32Array, full: number, scale: Scale): Uint32Array {
  return Uint32Array.from(
    { length: 256 },
    (_, byte) => colors[Math.round(255 * darkness(relative(byte, full), scale))],
  );
}

/** The weight of a byte, relative to full darkness. */
function relative(byte: number, full: number): number {
  return Math.min(1, (byte / full) ** 2);
}

/** The darkness of lines by byte, for thumbnails with `rows` rows that are `height` pixels high. */
export function lineAmounts(
  full: number,
  rows: number,
  height: number,
  ratio: number,
  scale: Scale,
): Float32Array {
  return kept(amounts, `${full} ${rows} ${height} ${ratio} ${scale}`, () =>
    Float32Array.from({ length: 256 }, (_, byte) =>
      densityOf(darkness(relative(byte, full), scale), rows, height, ratio),
    ),
  );
}

const MOST_KEPT = 256;
const amounts = new Map<string, Float32Array>();

/** What `make` returned for this name before, or returns now. */
export function kept<T>(all: Map<string, T>, name: string, make: () => T): T {
  const known = all.get(name);
  if (known !== undefined) return known;
  if (all.size >= MOST_KEPT) all.clear();
  const made = make();
  all.set(name, made);
  return made;
}

/** The density of a line with a darkness from 0 to 1. */
export function densityOf(strength: number, rows: number, height: number, ratio: number): number {
  if (strength < FAINTEST_LINE) return 0;
  // If lines are closer than pixels, each is drawn fainter; otherwise they would merge into a solid area.
  const room = Math.min(1, (0.25 * height) / (rows * ratio)) ** 0.75;
  return HEAVIEST_LINE * strength * ratio * room;
}

export function lineShares(columns: number, { sink }: CellRules): Float32Array {
  return Float32Array.from({ length: columns }, (_, column) => (sink(column) ? SINK_SHARE : 1));
}
