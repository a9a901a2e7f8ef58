/** The column layout of the neuron view. Pure. */

import type { HeadVectors } from "../../compute/neuron";
import { fontFor } from "../shared/tokenLayout";

export interface NumberColumn {
  readonly name: "q·k" | "cap" | "bias" | "score" | "softmax";
  readonly x: number;
  readonly width: number;
}

/** The columns to the right of the key tokens: value vectors and norms. */
export interface ValueColumns {
  readonly x: number;
  readonly span: number;
  /** Left edges of ‖f(x)‖ and α‖f(x)‖, and the width of each; null if norms are unknown. */
  readonly norms: { readonly f: number; readonly weighted: number; readonly width: number } | null;
}

export interface Columns {
  /** Total width, at least the available width. */
  readonly width: number;
  /** Width of each token column, and their left edges. */
  readonly token: number;
  /** Font size of the tokens; reduced if they would be cut off. */
  readonly fontSize: number;
  readonly queryX: number;
  readonly keyX: number;
  /** Left edges of the three vector columns, and the width of one. */
  readonly q: number;
  readonly k: number;
  readonly product: number;
  readonly span: number;
  /** Width of one dimension, in CSS pixels. */
  readonly cell: number;
  /** Lines that a vector is folded into. */
  readonly fold: number;
  readonly numbers: readonly NumberColumn[];
  readonly values: ValueColumns | null;
}

export interface Wanted {
  readonly room: number;
  readonly dim: number;
  readonly rowHeight: number;
  readonly fontSize: number;
  /** Length of the longest token, in characters. */
  readonly longest: number;
  readonly extras: readonly ("cap" | "bias" | "score")[];
  /** Value vectors: number of dimensions, and whether norms are known; null if hidden. */
  readonly values: { readonly dim: number; readonly norms: boolean } | null;
}

/** The columns that a layer has between q · k and the softmax. */
export function extrasOf({ data }: HeadVectors): Wanted["extras"] {
  const { softcap, biasKind, scaling } = data;
  const all: ("cap" | "bias" | "score")[] = [];
  if (softcap !== null) all.push("cap");
  if (biasKind !== null) all.push("bias");
  if (softcap !== null || biasKind !== null || scaling !== 1) all.push("score");
  return all;
}

const BUTTON = 26;
const MARGIN = 10;
const BETWEEN = 6;
/** Widths of a dimension, in CSS pixels. */
const CELL = { least: 1, enough: 2, most: 9 };
/** Least width of a vector, even with few dimensions. */
const SPAN = { least: 48, enough: 64 };
/** Width of the names above the vectors, which must not overlap. */
const NAME = 46;

interface Sizes {
  readonly lines: number;
  readonly gap: number;
  readonly number: number;
  readonly softmax: number;
  readonly token: number;
}

const ROOMY: Sizes = { lines: 60, gap: 16, number: 54, softmax: 104, token: 150 };
const SNUG: Sizes = { lines: 36, gap: 10, number: 46, softmax: 72, token: 112 };
const TIGHT: Sizes = { lines: 26, gap: 8, number: 40, softmax: 56, token: 92 };
const COMPACT: Sizes = { lines: 22, gap: 6, number: 36, softmax: 48, token: 76 };
const FOLDS = [1, 2, 4] as const;

/**
 * Fits the columns into the available width without dropping any. First, gaps shrink and vectors fold into several lines,
 * so that each dimension keeps two pixels; then dimensions become thinner. If that is not enough, the view becomes wider
 * than its panel and scrolls.
 */
export function columnsFor(wanted: Wanted): Columns {
  const folds = FOLDS.filter((fold) => canFold(wanted, fold));
  const fits = (columns: Columns, cell: number, span: number): boolean =>
    columns.width <= wanted.room &&
    columns.cell >= cell &&
    columns.span >=
      Math.min(span, Math.max(CELL.enough * wanted.dim, Math.min(NAME, CELL.most * wanted.dim)));
  for (const sizes of [ROOMY, SNUG, TIGHT, COMPACT]) {
    for (const fold of folds) {
      const columns = placed(wanted, sizes, fold, CELL.least);
      if (fits(columns, CELL.enough, SPAN.enough)) return columns;
    }
  }
  for (const fold of folds) {
    const columns = placed(wanted, COMPACT, fold, CELL.least);
    if (fits(columns, fold === folds.at(-1) ? CELL.least : CELL.enough, SPAN.least)) return columns;
  }
  // If it must scroll anyway, each dimension gets two pixels.
  const fold = folds.includes(2) ? 2 : 1;
  return placed(wanted, TIGHT, fold, Math.max(CELL.enough, (SPAN.enough * fold) / wanted.dim));
}

/** Whether rows are tall enough for vectors folded into `fold` lines. */
function canFold({ dim, rowHeight, values }: Wanted, fold: (typeof FOLDS)[number]): boolean {
  const even = dim % fold === 0 && (values === null || values.dim % fold === 0);
  return even && rowHeight >= { 1: 0, 2: 22, 4: 44 }[fold];
}

function placed(wanted: Wanted, sizes: Sizes, fold: number, least: number): Columns {
  const { room, dim, fontSize, longest, extras, values } = wanted;
  const norm = values?.norms ? sizes.number + 26 : 0;
  const beside = values === null ? 0 : 2 * sizes.gap + 2 * (norm === 0 ? 0 : norm + BETWEEN);
  const around =
    BUTTON +
    8 +
    sizes.lines +
    2 * sizes.gap +
    (1 + extras.length) * (sizes.number + BETWEEN) +
    sizes.gap +
    sizes.softmax +
    MARGIN +
    beside;
  const across = dim / fold;
  const valuesAcross = (values?.dim ?? 0) / fold;
  // Complete words take precedence over dimensions wider than two pixels.
  const cells = Math.max(CELL.enough, SPAN.enough / across) * (3 * across + valuesAcross);
  const most = Math.min(ROOMY.token, Math.max(sizes.token, Math.floor((room - around - cells) / 2)));
  const letters = (size: number) => longest * size * 0.57 + 20;
  const font = fontFor(fontSize, (size) => letters(size) <= most, "least");
  const token = Math.ceil(Math.max(52, Math.min(most, letters(font))));
  const fixed = around + 2 * token;
  // Only whole and half pixels, so that dimensions have equal or alternating widths.
  const fitting = Math.floor(((room - fixed) / (3 * across + valuesAcross)) * 2) / 2;
  const cell = Math.max(least, Math.min(CELL.most, fitting));
  const span = Math.round(cell * across);
  const valueSpan = Math.round(cell * valuesAcross);
  const width = Math.max(room, fixed + 3 * span + valueSpan);
  // Spare width goes to the bars first, then to the lines, up to a limit; the rest becomes margins.
  let spare = width - fixed - 3 * span - valueSpan;
  const longer = Math.max(0, Math.min(spare, ROOMY.softmax - sizes.softmax));
  spare -= longer;
  const wider = Math.min(spare, 70);
  let x = Math.floor((spare - wider) / 2) + BUTTON;
  const next = (size: number, after: number): number => {
    const at = x;
    x += size + after;
    return at;
  };
  const queryX = next(token, 8);
  const q = next(span, sizes.lines + wider);
  const k = next(span, sizes.gap);
  const product = next(span, sizes.gap);
  const numbers: NumberColumn[] = (["q·k", ...extras] as const).map((name) => ({
    ...{ name, width: sizes.number },
    x: next(sizes.number, BETWEEN),
  }));
  x += sizes.gap - BETWEEN;
  const softmax = sizes.softmax + longer;
  numbers.push({ name: "softmax", width: softmax, x: next(softmax, BETWEEN) });
  const keyX = next(token, 2 * sizes.gap - BETWEEN);
  const side = values && {
    x: next(valueSpan, sizes.gap),
    span: valueSpan,
    norms: norm === 0 ? null : { f: next(norm, BETWEEN), weighted: next(norm, BETWEEN), width: norm },
  };
  return {
    ...{ width, token, fontSize: font, queryX, keyX, q, k, product, span, cell, fold, numbers },
    values: side,
  };
}

/** Height of a vector within its row. */
export function stripHeight(rowHeight: number): number {
  return Math.min(40, rowHeight - (rowHeight > 30 ? 8 : 4));
}

/** The place in a vector at a point, relative to the vector's upper left corner; null outside it. */
export function placeAt(
  { span, fold }: Pick<Columns, "span" | "fold">,
  dim: number,
  height: number,
  x: number,
  y: number,
): number | null {
  if (x < 0 || x >= span) return null;
  const across = dim / fold;
  const line = Math.max(0, Math.min(fold - 1, Math.floor((y / height) * fold)));
  return line * across + Math.min(across - 1, Math.floor((x / span) * across));
}

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** The rectangle of a place, relative to the vector's upper left corner. */
export function boxOf(
  { span, fold }: Pick<Columns, "span" | "fold">,
  dim: number,
  height: number,
  place: number,
): Box {
  const across = dim / fold;
  const width = span / across;
  const line = Math.floor(place / across);
  return {
    x: (place % across) * width,
    y: (line * height) / fold,
    width,
    height: height / fold,
  };
}

/** The rectangles of several places, with adjacent ones merged. */
export function boxesOf(
  columns: Pick<Columns, "span" | "fold">,
  dim: number,
  height: number,
  places: readonly number[],
): readonly Box[] {
  const boxes = places
    .map((place) => boxOf(columns, dim, height, place))
    .sort((a, b) => a.y - b.y || a.x - b.x);
  if (boxes.length !== 2) return boxes;
  const [a, b] = boxes;
  const beside = a.y === b.y && Math.abs(a.x + a.width - b.x) < 1e-6;
  const above = a.x === b.x && Math.abs(a.y + a.height - b.y) < 1e-6;
  if (beside) return [{ ...a, width: a.width + b.width }];
  return above ? [{ ...a, height: a.height + b.height }] : boxes;
}
