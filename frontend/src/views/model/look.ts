/** What a thumbnail shows of a head: which cells, how dark, in which colours. Pure. */

import type { Hidden, Thumbnails } from "../../compute/thumbnails";
import { inks } from "../../marks/composite";
import type { Rgb } from "../../marks/palette";
import type { SentenceFilter, ViewSettings } from "../../state/state";
import type { Token } from "../../wire/messages";

export type Look = "lines" | "map";

/** The longest input that starts with lines. */
const LINES_UP_TO = 32;
/** A head whose heaviest weight off the sink is below this is not drawn as dark as others: 0.3² = 9%. */
const FAINTEST_PEAK = 0.3 * 255;
/** Density of a line of full weight; colour is 1 − e^−density of the way from ground to ink. */
const HEAVIEST_LINE = 1.1;
/** How dark lines to a sink are, beside others of their weight. */
const SINK_SHARE = 0.3;

export function lookOf(wish: ViewSettings["thumbnails"], tokens: number): Look {
  if (wish !== "auto") return wish;
  return tokens <= LINES_UP_TO ? "lines" : "map";
}

/** From nothing to a full weight. */
export function groundAndInk(dark: boolean, look: Look): Uint32Array {
  const light: readonly Rgb[] =
    look === "lines"
      ? [
          [255, 255, 255],
          [47, 91, 208],
          [28, 58, 152],
        ]
      : [
          [241, 243, 249],
          [122, 154, 228],
          [47, 91, 208],
          [17, 33, 92],
        ];
  const night: readonly Rgb[] =
    look === "lines"
      ? [
          [20, 23, 29],
          [110, 146, 240],
          [190, 208, 255],
        ]
      : [
          [27, 31, 40],
          [52, 82, 168],
          [134, 168, 255],
          [236, 242, 255],
        ];
  return inks(dark ? night : light);
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

/** The rules for tokens, as rules for cells that hold `pooled` of them. */
export function cellRules(rules: Rules, pooled: readonly [number, number]): CellRules {
  const [high, wide] = pooled;
  const { filter, queries, keys } = rules;
  const sinkCells = new Set([...rules.sinks].map((key) => Math.floor(key / wide)));
  // A cell of several tokens is left out only where none of them is to be seen.
  const gone = (tokens: readonly Token[], cell: number, size: number, sentence: string) =>
    filter !== "all" &&
    !tokens.slice(cell * size, (cell + 1) * size).some((token) => token.sentence === sentence);
  return {
    hidden: {
      row: (row) => gone(queries, row, high, filter[0]),
      column: (column) => gone(keys, column, wide, filter[1]) || (rules.sinksHidden && sinkCells.has(column)),
    },
    sink: (column) => sinkCells.has(column),
  };
}

/** The byte that is drawn as dark as can be: the head's heaviest off the sinks. */
export function fullByte(thumbnails: Thumbnails, head: number, { hidden, sink }: CellRules): number {
  const offSink = { row: hidden.row, column: (column: number) => hidden.column(column) || sink(column) };
  return Math.max(FAINTEST_PEAK, thumbnails.peak(head, offSink)?.byte ?? 255);
}

/** The colour of each byte of a heat map. */
export function mapWords(colours: Uint32Array, full: number): Uint32Array {
  return Uint32Array.from(
    { length: 256 },
    (_, byte) => colours[Math.min(255, Math.round((255 * byte) / full))],
  );
}

/** How dark a line of each byte is, for thumbnails of `rows` rows drawn `height` pixels high. */
export function lineAmounts(full: number, rows: number, height: number, ratio: number): Float32Array {
  // Where lines lie closer than pixels, each is fainter, or all would be one wall.
  const room = Math.min(1, (0.25 * height) / (rows * ratio)) ** 0.75;
  return Float32Array.from({ length: 256 }, (_, byte) => {
    const strength = Math.min(1, byte / full);
    return strength < 0.15 ? 0 : HEAVIEST_LINE * strength ** 2 * ratio * room;
  });
}

export function lineShares(columns: number, { sink }: CellRules): Float32Array {
  return Float32Array.from({ length: columns }, (_, column) => (sink(column) ? SINK_SHARE : 1));
}
