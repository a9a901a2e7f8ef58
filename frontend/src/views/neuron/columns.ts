/** Where the columns of the neuron view stand. Pure. */

export interface NumberColumn {
  readonly name: "q·k" | "cap" | "bias" | "score" | "softmax";
  readonly x: number;
  readonly width: number;
}

export interface Columns {
  /** What all of it takes, never less than the room given. */
  readonly width: number;
  /** Width of each column of tokens, and their left edges. */
  readonly token: number;
  readonly queryX: number;
  readonly keyX: number;
  /** Left edges of the three columns of vectors, and the width of one. */
  readonly q: number;
  readonly k: number;
  readonly product: number;
  readonly span: number;
  /** CSS pixels of one dimension. */
  readonly cell: number;
  /** Lines that a vector is folded into. */
  readonly fold: number;
  readonly numbers: readonly NumberColumn[];
  /** Whether there was no room for every number. */
  readonly compact: boolean;
}

export interface Wanted {
  readonly room: number;
  readonly dim: number;
  readonly rowHeight: number;
  readonly fontSize: number;
  /** Letters of the longest token. */
  readonly longest: number;
  readonly extras: readonly ("cap" | "bias" | "score")[];
}

const BUTTON = 26;
const MARGIN = 10;
/** Pixels of a dimension. */
const CELL = { least: 1, enough: 2, most: 9 };
/** A vector narrower than this is no picture, however few its dimensions are. */
const ENOUGH_SPAN = 80;

interface Sizes {
  readonly lines: number;
  readonly gap: number;
  readonly number: number;
  readonly softmax: number;
  readonly token: number;
  /** Which numbers have a column of their own: all, all but a score that is only q·k scaled, or q·k as a colour. */
  readonly numbers: "all" | "own" | "coloured";
}

const ROOMY: Sizes = { lines: 60, gap: 16, number: 56, softmax: 104, token: 150, numbers: "all" };
const SNUG: Sizes = { lines: 34, gap: 10, number: 44, softmax: 68, token: 116, numbers: "all" };
const TIGHT: Sizes = { lines: 30, gap: 8, number: 42, softmax: 56, token: 104, numbers: "own" };
const COMPACT: Sizes = { lines: 26, gap: 8, number: 38, softmax: 56, token: 92, numbers: "coloured" };

/**
 * The columns for the room there is. Each dimension should get two pixels: first the gaps shrink for that, then vectors
 * fold into several lines where rows are tall enough, then only the paper's own columns are left, their numbers said by
 * the readout alone. In the end the view is wider than its room rather than a dimension thinner than a pixel.
 */
export function columnsFor(wanted: Wanted): Columns {
  const tries = [
    [ROOMY, 1],
    [SNUG, 1],
    [SNUG, 2],
    [TIGHT, 1],
    [TIGHT, 2],
    [COMPACT, 1],
    [COMPACT, 2],
    [COMPACT, 4],
  ] as const;
  const least = Math.min(ENOUGH_SPAN, CELL.enough * wanted.dim);
  for (const [sizes, fold] of tries) {
    if (!folds(wanted, fold)) continue;
    const columns = placed(wanted, sizes, fold);
    const enough = columns.cell >= CELL.enough && columns.span >= least;
    if (enough && columns.width <= wanted.room) return columns;
  }
  return placed(wanted, COMPACT, folds(wanted, 2) ? 2 : 1);
}

/** Whether rows are tall enough for `fold` lines. */
function folds({ dim, rowHeight }: Wanted, fold: 1 | 2 | 4): boolean {
  return dim % fold === 0 && rowHeight >= { 1: 0, 2: 30, 4: 56 }[fold];
}

function placed(wanted: Wanted, sizes: Sizes, fold: number): Columns {
  const { room, dim, fontSize, longest } = wanted;
  const token = Math.round(Math.max(52, Math.min(sizes.token, longest * fontSize * 0.57 + 20)));
  const own = wanted.extras.length > 1 ? wanted.extras : [];
  const extras = { all: wanted.extras, own, coloured: [] }[sizes.numbers];
  const fixed =
    BUTTON +
    2 * token +
    8 +
    sizes.lines +
    2 * sizes.gap +
    (1 + extras.length) * (sizes.number + 6) +
    sizes.gap +
    sizes.softmax +
    MARGIN;
  const across = dim / fold;
  // Whole and half pixels only: dimensions of one width, or of two in turn.
  const fitting = Math.floor(((room - fixed) / 3 / across) * 2) / 2;
  const cell = Math.max(CELL.least, Math.min(CELL.most, fitting));
  const span = Math.round(cell * across);
  const width = Math.max(room, fixed + 3 * span);
  // What is left over widens the room for the lines, up to a point; the rest stays at the sides.
  const spare = width - fixed - 3 * span;
  const wider = Math.min(spare, 90);
  let x = Math.floor((spare - wider) / 2) + BUTTON;
  const queryX = x;
  x += token + 8;
  const q = x;
  x += span + sizes.lines + wider;
  const k = x;
  x += span + sizes.gap;
  const product = x;
  x += span + sizes.gap;
  const numbers: NumberColumn[] = [];
  for (const name of ["q·k", ...extras] as const) {
    numbers.push({ name, x, width: sizes.number });
    x += sizes.number + 6;
  }
  x += sizes.gap - 6;
  numbers.push({ name: "softmax", x, width: sizes.softmax });
  x += sizes.softmax + 6;
  const compact = extras.length < wanted.extras.length;
  return { width, token, queryX, keyX: x, q, k, product, span, cell, fold, numbers, compact };
}

/** Height of a vector in its row. */
export function stripHeight(rowHeight: number): number {
  return Math.min(40, rowHeight - (rowHeight > 30 ? 8 : 5));
}

/** Which of a vector's places is at a point, measured from its left and upper edge; null beside it. */
export function placeAt(columns: Columns, dim: number, height: number, x: number, y: number): number | null {
  if (x < 0 || x >= columns.span) return null;
  const across = dim / columns.fold;
  const line = Math.max(0, Math.min(columns.fold - 1, Math.floor((y / height) * columns.fold)));
  return line * across + Math.min(across - 1, Math.floor((x / columns.span) * across));
}

/** The rectangle of a place, from the left and upper edge of its vector. */
export function boxOf(
  columns: Columns,
  dim: number,
  height: number,
  place: number,
): { readonly x: number; readonly y: number; readonly width: number; readonly height: number } {
  const across = dim / columns.fold;
  const width = columns.span / across;
  const line = Math.floor(place / across);
  return {
    x: (place % across) * width,
    y: (line * height) / columns.fold,
    width,
    height: height / columns.fold,
  };
}
