/** Where the columns of the neuron view stand. Pure. */

import type { HeadVectors } from "../../compute/neuron";
import { fontFor } from "../shared/tokenLayout";

export interface NumberColumn {
  readonly name: "q·k" | "cap" | "bias" | "score" | "softmax";
  readonly x: number;
  readonly width: number;
}

/** The columns at the right of the keys' tokens: what each key has to give. */
export interface ValueColumns {
  readonly x: number;
  readonly span: number;
  /** Left edges of ‖f(x)‖ and α‖f(x)‖, and the width of each; null where lengths are not known. */
  readonly norms: { readonly f: number; readonly weighted: number; readonly width: number } | null;
}

export interface Columns {
  /** What all of it takes, never less than the room given. */
  readonly width: number;
  /** Width of each column of tokens, and their left edges. */
  readonly token: number;
  /** Of the tokens: smaller than wanted where they would be cut. */
  readonly fontSize: number;
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
  readonly values: ValueColumns | null;
}

export interface Wanted {
  readonly room: number;
  readonly dim: number;
  readonly rowHeight: number;
  readonly fontSize: number;
  /** Letters of the longest token. */
  readonly longest: number;
  readonly extras: readonly ("cap" | "bias" | "score")[];
  /** The value side: how many dimensions, and whether lengths are known; null while it is hidden. */
  readonly values: { readonly dim: number; readonly norms: boolean } | null;
}

/** The columns between q · k and the softmax that a layer has. */
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
/** Pixels of a dimension. */
const CELL = { least: 1, enough: 2, most: 9 };
/** A vector narrower than this is no picture, however few its dimensions are. */
const SPAN = { least: 48, enough: 64 };
/** What the names over the vectors take, so that they do not run into each other. */
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
 * The columns for the room there is. No column is left out: first the gaps shrink and vectors fold into several lines,
 * so that each dimension keeps two pixels, then dimensions get thinner. In the end the view is wider than its room, and
 * scrolls.
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
  // It scrolls in any case: then each dimension gets its two pixels.
  const fold = folds.includes(2) ? 2 : 1;
  return placed(wanted, TIGHT, fold, Math.max(CELL.enough, (SPAN.enough * fold) / wanted.dim));
}

/** Whether rows are tall enough for `fold` lines. */
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
  // Whole words come before dimensions of more than two pixels.
  const cells = Math.max(CELL.enough, SPAN.enough / across) * (3 * across + valuesAcross);
  const most = Math.min(ROOMY.token, Math.max(sizes.token, Math.floor((room - around - cells) / 2)));
  const letters = (size: number) => longest * size * 0.57 + 20;
  const font = fontFor(fontSize, (size) => letters(size) <= most, "least");
  const token = Math.ceil(Math.max(52, Math.min(most, letters(font))));
  const fixed = around + 2 * token;
  // Whole and half pixels only: dimensions of one width, or of two in turn.
  const fitting = Math.floor(((room - fixed) / (3 * across + valuesAcross)) * 2) / 2;
  const cell = Math.max(least, Math.min(CELL.most, fitting));
  const span = Math.round(cell * across);
  const valueSpan = Math.round(cell * valuesAcross);
  const width = Math.max(room, fixed + 3 * span + valueSpan);
  // What is left over widens first the bars, then the room for the lines, up to a point; the rest stays at the sides.
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

/** Height of a vector in its row. */
export function stripHeight(rowHeight: number): number {
  return Math.min(40, rowHeight - (rowHeight > 30 ? 8 : 4));
}

/** Which of a vector's places is at a point, measured from its left and upper edge; null beside it. */
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

/** The rectangle of a place, from the left and upper edge of its vector. */
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

/** The rectangles of some places; those that touch, side by side or one above the other, are one. */
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
