/**
 * Positions of the tokens in the head view. Lengths run *across*, from the query side to the key side, and *along* the
 * tokens: x and y if tokens are in columns, y and x if the view is turned and tokens are in rows.
 */

import type { Side } from "../../state/state";

export interface TokenLayout {
  /** Size of the window across and along. */
  readonly width: number;
  readonly height: number;
  /** Height of a row of tokens; in a turned view, the size that strands and shading use instead. */
  readonly rowHeight: number;
  readonly fontSize: number;
  /** Space before the first token. */
  readonly top: number;
  /** Across: near edges of the query band and the key band, size of a band, and both ends of the lines. */
  readonly queryX: number;
  readonly keyX: number;
  readonly column: number;
  readonly lineX0: number;
  readonly lineX1: number;
  /** Total length of all tokens. */
  readonly extent: number;
  /** Cells of tokens that differ in size; absent if all have the same size. */
  readonly cells?: Readonly<Record<Side, Cells>>;
}

/** Cells of a turned view, side by side. */
export interface Cells {
  /** Start of each token's cell, counted from the start of the text, and the end of the last cell. */
  readonly starts: Float64Array;
  /** Total length to mirror for right-to-left text; 0 for left-to-right text. */
  readonly mirror: number;
}

const WIDEST = 900;
const LEAST_FONT = 13;
const ROW = { least: 24, most: 62 };

export function layOutColumns(
  width: number,
  height: number,
  rows: number,
  longestToken: number,
): TokenLayout {
  const rowHeight = Math.max(ROW.least, Math.min(ROW.most, Math.floor((height - 24) / Math.max(1, rows))));
  const inner = Math.min(width - 24, WIDEST);
  const roomy = inner > 420;
  const largest = rowHeight >= 44 && roomy ? 16 : rowHeight >= 34 ? 15 : rowHeight >= 28 ? 14 : LEAST_FONT;
  const wanted = (fontSize: number) => longestToken * fontSize * 0.6 + 62;
  const least = (fontSize: number) => longestToken * fontSize * 0.55 + 40;
  // In a narrow view the lines keep a third of the width, however long the words are.
  const most = Math.min(230, Math.max(inner * 0.28, Math.min(inner * 0.345, wanted(largest))));
  const fontSize = fontFor(largest, (size) => least(size) <= most, "largest");
  const column = Math.round(Math.max(84, Math.min(most, wanted(fontSize))));
  const left = Math.round((width - inner) / 2);
  const extent = rows * rowHeight;
  // A few tokens are placed somewhat below the upper edge.
  const top = 12 + Math.max(0, Math.round((height - extent - 24) * 0.3 - 24));
  return {
    width,
    height,
    rowHeight,
    fontSize,
    top,
    queryX: left,
    keyX: left + inner - column,
    column,
    lineX0: left + column + 6,
    lineX1: left + inner - column - 6,
    extent: extent + 12 + top,
  };
}

/** The largest font size at which no token is cut off; `otherwise` if every size cuts some. */
export function fontFor(
  largest: number,
  fits: (fontSize: number) => boolean,
  otherwise: "largest" | "least",
): number {
  for (let size = largest; size >= LEAST_FONT; size--) if (fits(size)) return size;
  return otherwise === "largest" ? largest : Math.min(largest, LEAST_FONT);
}

/** Height of a token band in a turned view: a line of text and a number. */
const BAND = 46;
const TALLEST = 560;

/** Layout of the turned view: queries in a row at the top, keys in a row at the bottom, each as wide as its text. */
export function layOutRows(
  size: { readonly width: number; readonly height: number },
  widths: Readonly<Record<Side, Float64Array>>,
  rightToLeft: boolean,
): TokenLayout {
  const across = Math.min(size.height - 12, TALLEST);
  const near = Math.round((size.height - across) / 2);
  const room = size.width - 24;
  const natural = { query: sum(widths.query), key: sum(widths.key) };
  const longest = Math.max(natural.query, natural.key);
  // Short inputs spread over the width, up to twice their natural length.
  const stretch = Math.max(1, Math.min(2, room / Math.max(1, longest)));
  const length = Math.max(longest * stretch, rightToLeft ? room : 0);
  const lead = rightToLeft ? 0 : Math.max(0, Math.min(40, (room - length) / 2));
  const cells = (side: Side): Cells => {
    const starts = new Float64Array(widths[side].length + 1);
    for (let at = 0; at < widths[side].length; at++)
      starts[at + 1] = starts[at] + Math.round(widths[side][at] * stretch);
    return { starts, mirror: rightToLeft ? length : 0 };
  };
  return {
    width: size.height,
    height: size.width,
    rowHeight: 26,
    fontSize: 14,
    top: 12 + lead,
    queryX: near,
    keyX: near + across - BAND,
    column: BAND,
    lineX0: near + BAND + 4,
    lineX1: near + across - BAND - 4,
    extent: length + 24 + lead,
    cells: { query: cells("query"), key: cells("key") },
  };
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

/** Middle of a token along the tokens, in a window scrolled by `scroll`. */
export function rowY(layout: TokenLayout, index: number, scroll: number, side: Side = "query"): number {
  if (layout.cells === undefined) return layout.top + (index + 0.5) * layout.rowHeight - scroll;
  const { starts, mirror } = layout.cells[side];
  const middle = (starts[index] + starts[index + 1]) / 2;
  return layout.top + (mirror > 0 ? mirror - middle : middle) - scroll;
}

/** Size of a token's cell along the tokens. */
export function rowSize(layout: TokenLayout, index: number, side: Side): number {
  const starts = layout.cells?.[side].starts;
  return starts === undefined ? layout.rowHeight : starts[index + 1] - starts[index];
}

export function rowAt(
  layout: TokenLayout,
  y: number,
  scroll: number,
  rows: number,
  side: Side = "query",
): number | null {
  const along = y + scroll - layout.top;
  const index =
    layout.cells === undefined ? Math.floor(along / layout.rowHeight) : cellAt(layout.cells[side], along);
  return index >= 0 && index < rows ? index : null;
}

/** Range of the tokens that touch the window, plus `margin` on both sides: first, and one past the last. */
export function visibleRows(
  layout: TokenLayout,
  scroll: number,
  rows: number,
  margin = 0,
  side: Side = "query",
): readonly [number, number] {
  let first: number;
  let last: number;
  const [from, to] = [scroll - layout.top, scroll + layout.height - layout.top];
  if (layout.cells === undefined) {
    first = Math.floor(from / layout.rowHeight) - margin;
    last = Math.ceil(to / layout.rowHeight) + margin;
  } else {
    const cells = layout.cells[side];
    const ends = [cellAt(cells, from), cellAt(cells, to)];
    first = Math.min(...ends) - margin;
    last = Math.max(...ends) + 1 + margin;
  }
  return [Math.max(0, Math.min(rows, first)), Math.max(0, Math.min(rows, last))];
}

/** The cell at a position: −1 before the first cell, the number of cells after the last. */
function cellAt({ starts, mirror }: Cells, along: number): number {
  const place = mirror > 0 ? mirror - along : along;
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (starts[middle] <= place) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
