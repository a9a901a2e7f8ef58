/** Finds what is under the pointer or the keyboard cursor in the neuron view. Pure. */

import { type HeadVectors, type QueryTrace, strongestKey } from "../../compute/neuron";
import type { Side } from "../../state/state";
import { rowAt, rowY, type TokenLayout } from "../shared/tokenLayout";
import type { Focus } from "../shared/weights";
import { boxOf, type Columns, placeAt, stripHeight } from "./columns";
import { queryY } from "./scene";

export interface Spot {
  readonly zone: "query" | "q" | "k" | "product" | "value" | "row";
  readonly row: number;
  /** Place along the vector, from the left; null outside the vectors. */
  readonly place: number | null;
}

export interface HitContext {
  readonly columns: Columns;
  readonly layout: TokenLayout;
  readonly scroll: number;
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  /** Dimensions of a value vector; 0 if value vectors are hidden. */
  readonly valueDim: number;
}

export function sameSpot(a: Spot | null, b: Spot | null): boolean {
  return a === b || (a?.zone === b?.zone && a?.row === b?.row && a?.place === b?.place);
}

/** The spot at a point of the window. */
export function spotAt(
  { x, y }: { readonly x: number; readonly y: number },
  ground: HitContext,
): Spot | null {
  const { columns, layout, scroll, vectors, trace, valueDim } = ground;
  const end = columns.values === null ? columns.keyX + columns.token + 8 : columns.width;
  if (x < columns.queryX - 26 || x > end) return null;
  const tall = stripHeight(layout.rowHeight);
  const left = x < columns.q + columns.span + 4;
  // The row of the selected query stays visible, and it covers the row that is scrolled beneath it.
  const middle = queryY(ground);
  const kept = left && Math.abs(y - middle) <= tall / 2;
  const row = kept ? trace.query : rowAt(layout, y, scroll, Math.max(vectors.queries, vectors.keys));
  if (row === null || row >= (left ? vectors.queries : vectors.keys)) return null;
  const top = (kept ? middle : rowY(layout, row, scroll)) - tall / 2;
  const along = (from: number) => placeAt(columns, vectors.dim, tall, x - from, y - top);
  if (left) {
    const place = along(columns.q);
    return { zone: place === null ? "query" : "q", row, place };
  }
  for (const zone of ["k", "product"] as const) {
    const place = along(columns[zone]);
    if (place !== null) return { zone, row, place };
  }
  const { values } = columns;
  if (values !== null && valueDim > 0) {
    const shape = { span: values.span, fold: columns.fold };
    const place = placeAt(shape, valueDim, tall, x - values.x, y - top);
    if (place !== null) return { zone: "value", row, place };
  }
  return x < columns.k ? null : { zone: "row", row, place: null };
}

/** The cell that an arrow key leads to; null for any other key. */
export function movedSpot(from: Spot, key: string, page: number, keys: number, dim: number): Spot | null {
  const place = from.place ?? 0;
  const targets: Readonly<Record<string, readonly [number, number]>> = {
    ArrowDown: [from.row + 1, place],
    ArrowUp: [from.row - 1, place],
    ArrowRight: [from.row, place + 1],
    ArrowLeft: [from.row, place - 1],
    Home: [from.row, 0],
    End: [from.row, dim - 1],
    PageDown: [from.row + page, place],
    PageUp: [from.row - page, place],
  };
  const target = targets[key];
  if (target === undefined) return null;
  const within = (value: number, count: number) => Math.max(0, Math.min(count - 1, value));
  return { zone: "product", row: within(target[0], keys), place: within(target[1], dim) };
}

/** The spot as the focus of the other views. */
export function focusOf(at: Spot | null, vectors: HeadVectors, query: number): Focus | null {
  if (at === null) return null;
  if (at.zone === "query" || at.zone === "q")
    return { kind: "token", place: { side: "query", index: at.row } };
  return { kind: "edge", edge: { head: vectors.head, query, key: at.row } };
}

/** The center of a cell, from the left edge of the view; `sizes` are the dimensions of keys and value vectors. */
export function middleOf(
  { zone, place }: Spot,
  { q, k, product, values, span, fold }: Columns,
  sizes: { readonly dim: number; readonly values: number },
  height: number,
): number {
  const side = zone === "value" && values !== null;
  const shape = { span: side ? values.span : span, fold };
  const box = boxOf(shape, side ? sizes.values : sizes.dim, height, place ?? 0);
  const from = { q, k, product, value: values?.x ?? 0, query: 0, row: 0 }[zone];
  return from + box.x + box.width / 2;
}

/** Where the keyboard goes from a column of tokens to the other: from the query to its strongest key, and back to the query. */
export function spotAcross(from: Side, trace: QueryTrace, weights: ArrayLike<number>): Spot {
  return from === "query"
    ? { zone: "row", row: strongestKey(trace, weights) ?? 0, place: null }
    : { zone: "query", row: trace.query, place: null };
}
