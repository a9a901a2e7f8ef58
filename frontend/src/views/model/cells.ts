/** Draws over the cells of a matrix: masked cells, hairlines, sentence borders, and the cell under the pointer. */

import type { LayerField } from "../../compute/layerField";
import { shortDifference, shortWeight } from "../../marks/format";
import { signColor, signShare } from "../../marks/neuron";
import { inkOn } from "../../marks/palette";
import { darkness } from "../../marks/scale";
import type { Scale } from "../../state/state";
import type { Token } from "../../wire/messages";
import { type Counterparts, isUnaligned } from "../shared/counterparts";
import type { Rect } from "./camera";
import { type CellPlace, linesInSight, type MatrixFrame, rectOfCell } from "./matrixFrame";
import { type OverlayInks, ring } from "./overlay";

/** Cells of at least this size are separated by hairlines. */
const LINED_FROM = 9;
/** Cells of at least this size show their weight as a number. */
const NUMBERED = { wide: 30, high: 17 };
/** The most visible cells whose masks are checked one by one. */
const MOST_ASKED = 40_000;

export interface CellMarks {
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  /** Tells which cells are not masked; null until known. */
  readonly field: LayerField | null;
  /** Whether the mask is causal; known before the field has loaded. */
  readonly causal: boolean;
  /** The scale and the darkest weight, which decide whether numbers are black or white. */
  readonly scale: Scale;
  readonly largest: number;
  readonly dark: boolean;
  /** The tokens of the baseline, if differences are drawn. */
  readonly counterparts: Counterparts | null;
  readonly pointed: CellPlace | null;
  readonly pinned: CellPlace | null;
}

export function paintCells(
  context: CanvasRenderingContext2D,
  frame: MatrixFrame,
  room: Rect,
  marks: CellMarks,
  inks: OverlayInks,
): void {
  const { rect, part, cellWidth, cellHeight } = frame;
  const left = Math.max(rect.x, room.x);
  const right = Math.min(rect.x + rect.width, room.x + room.width);
  const top = Math.max(rect.y, room.y);
  const bottom = Math.min(rect.y + rect.height, room.y + room.height);
  if (right <= left || bottom <= top) return;
  const rows = linesInSight(part.queries, rect.y, cellHeight, top, bottom);
  const columns = linesInSight(part.keys, rect.x, cellWidth, left, right);
  context.save();
  context.beginPath();
  context.rect(left, top, right - left, bottom - top);
  context.clip();
  notAllowed(context, frame, rows, columns, marks, inks);
  const line = (x: number, y: number, width: number, height: number) => context.fillRect(x, y, width, height);
  const atX = (key: number) => Math.round(rect.x + (key - part.keys[0]) * cellWidth);
  const atY = (query: number) => Math.round(rect.y + (query - part.queries[0]) * cellHeight);
  if (Math.min(cellWidth, cellHeight) >= LINED_FROM) {
    context.fillStyle = inks.panel;
    context.globalAlpha = 0.65;
    for (let key = columns[0]; key <= columns[1]; key++) line(atX(key) - 0.5, top, 1, bottom - top);
    for (let query = rows[0]; query <= rows[1]; query++) line(left, atY(query) - 0.5, right - left, 1);
    context.globalAlpha = 1;
  }
  if (marks.field !== null && cellWidth >= NUMBERED.wide && cellHeight >= NUMBERED.high)
    numbers(context, frame, rows, columns, marks.field, marks, inks);
  context.fillStyle = inks.quiet;
  for (let key = Math.max(1, columns[0]); key < columns[1]; key++)
    if (bounds(marks.keys, key)) line(atX(key) - 0.5, top, 1, bottom - top);
  for (let query = Math.max(1, rows[0]); query < rows[1]; query++)
    if (bounds(marks.queries, query)) line(left, atY(query) - 0.5, right - left, 1);
  context.restore();
  context.save();
  context.beginPath();
  context.rect(left - 3, top - 3, right - left + 6, bottom - top + 6);
  context.clip();
  for (const [place, color, width] of [
    [marks.pinned, inks.ink, 2],
    [marks.pointed, inks.accent, 2],
  ] as const) {
    if (place === null) continue;
    const box = rectOfCell(frame, place);
    const least = 5;
    const x = box.x - Math.max(0, (least - box.width) / 2);
    const y = box.y - Math.max(0, (least - box.height) / 2);
    const cell = { x, y, width: Math.max(least, box.width), height: Math.max(least, box.height) };
    ring(context, cell, inks.panel, width + 2);
    ring(context, cell, color, width);
  }
  context.restore();
}

/** Writes the weights into cells that are large enough. */
function numbers(
  context: CanvasRenderingContext2D,
  frame: MatrixFrame,
  rows: readonly [number, number],
  columns: readonly [number, number],
  field: LayerField,
  { scale, largest, dark }: CellMarks,
  inks: OverlayInks,
): void {
  const { head } = frame.slot;
  context.font = inks.font;
  context.textAlign = "center";
  context.textBaseline = "middle";
  for (let query = rows[0]; query < rows[1]; query++) {
    const row = field.row(head, query);
    for (let key = columns[0]; key < columns[1]; key++) {
      const text = field.signed ? changeText(row[key]) : shortWeight(row[key]);
      if (text === "" || !field.allowed(head, query, key)) continue;
      const { x, y, width, height } = rectOfCell(frame, { query, key });
      const share = field.signed ? signShare(row[key], largest, scale) : 0;
      const strong = darkness(Math.min(1, row[key] / largest), scale) > 0.42;
      if (field.signed) context.fillStyle = Math.abs(share) < 0.2 ? inks.ink : inkOn(signColor(share, dark));
      else context.fillStyle = strong ? (dark ? "#101216" : "#ffffff") : inks.ink;
      context.fillText(text, x + width / 2, y + height / 2 + 0.5);
    }
  }
}

/** A difference for a cell; empty below .005. */
function changeText(difference: number): string {
  return Math.abs(difference) < 0.005 ? "" : shortDifference(difference);
}

/** Whether a new sentence starts at a token. */
function bounds(tokens: readonly Token[], index: number): boolean {
  const [before, after] = [tokens[index - 1]?.sentence, tokens[index]?.sentence];
  return before != null && after != null && before !== after;
}

/** Paints masked cells in the panel color, to distinguish them from a weight of 0. */
function notAllowed(
  context: CanvasRenderingContext2D,
  frame: MatrixFrame,
  [firstRow, endRow]: readonly [number, number],
  [firstColumn, endColumn]: readonly [number, number],
  { field, causal, queries, keys, counterparts }: CellMarks,
  inks: OverlayInks,
): void {
  const { rect, part, cellWidth, cellHeight } = frame;
  const back = keys.length - queries.length;
  const looksBack = field === null ? causal && back === 0 : field.mask === "causal";
  context.fillStyle = inks.panel;
  const close = (query: number, from: number, until: number): void => {
    if (until <= from) return;
    const x = rect.x + (from - part.keys[0]) * cellWidth;
    const y = rect.y + (query - part.queries[0]) * cellHeight;
    context.fillRect(x, y, (until - from) * cellWidth, cellHeight + 0.3);
  };
  // What corresponds to nothing has no difference.
  if (counterparts !== null) {
    for (let query = firstRow; query < endRow; query++)
      if (isUnaligned(counterparts.query, query)) close(query, firstColumn, endColumn);
    const high = (endRow - firstRow) * cellHeight;
    const y = rect.y + (firstRow - part.queries[0]) * cellHeight;
    for (let key = firstColumn; key < endColumn; key++)
      if (isUnaligned(counterparts.key, key))
        context.fillRect(rect.x + (key - part.keys[0]) * cellWidth, y, cellWidth + 0.3, high);
  }
  for (let query = firstRow; query < endRow; query++) {
    if (looksBack) {
      close(query, Math.max(firstColumn, query + back + 1), endColumn);
      continue;
    }
    // Other masks are checked cell by cell, as long as cells can be distinguished.
    if (field === null || (endRow - firstRow) * (endColumn - firstColumn) > MOST_ASKED) return;
    let from = firstColumn;
    for (let key = firstColumn; key < endColumn; key++) {
      if (!field.allowed(frame.slot.head, query, key)) continue;
      close(query, from, key);
      from = key + 1;
    }
    close(query, from, endColumn);
  }
}
