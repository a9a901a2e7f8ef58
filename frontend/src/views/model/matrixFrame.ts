/** The head shown as a matrix of queries by keys: which head, its cells, and its margins. Pure; in CSS pixels. */

import type { Part } from "../../compute/matrices";
import type { HeadPlace } from "../../state/state";
import { type Filling, fillingZoom, type Rect, rectOf, type View, worldAt } from "./camera";
import type { Grid } from "./grid";
import type { Placement, Slot } from "./placement";

/** A head that is large enough to read single cells. */
export interface MatrixFrame {
  readonly slot: Slot;
  readonly rect: Rect;
  readonly part: Part;
  readonly cellWidth: number;
  readonly cellHeight: number;
}

/** A head that fills at least this share of the window is shown as a matrix. */
const BEGINS = 0.72;
/** Space for a token's name across its line. */
const NAME_ROOM = 14;
/** Space between two position numbers. */
const NUMBER_ROOM = 30;

export function matrixFrameOf(
  grid: Grid,
  filling: Filling,
  view: View,
  placement: Placement,
  partOf: (place: HeadPlace) => Part,
): MatrixFrame | null {
  if (view.zoom < BEGINS * fillingZoom(grid, filling)) return null;
  const slot = slotInMiddle(grid, filling, view, placement);
  if (slot === null) return null;
  const rect = rectOf(grid, view, slot);
  const part = partOf(slot);
  return {
    slot,
    rect,
    part,
    cellWidth: rect.width / (part.keys[1] - part.keys[0]),
    cellHeight: rect.height / (part.queries[1] - part.queries[0]),
  };
}

/** The head at the center of the area, or the nearest one if there is a gap. */
function slotInMiddle(grid: Grid, filling: Filling, view: View, placement: Placement): Slot | null {
  const x = (filling.left + grid.width) / 2;
  const y = (filling.top + grid.height) / 2;
  for (const [dx, dy] of [
    [0, 0],
    [0, -0.35],
    [0, 0.35],
    [-0.2, 0],
    [0.2, 0],
  ]) {
    const at = worldAt(view, x + dx * grid.width, y + dy * grid.height);
    const slot = placement.at(at.column, at.row);
    if (slot !== null) return slot;
  }
  return null;
}

export interface CellPlace {
  readonly query: number;
  readonly key: number;
}

/** A cell of a head's matrix. */
export interface HeadCell extends HeadPlace, CellPlace {}

/** The cell under a point of the window. */
export function cellAt(
  { rect, part, cellWidth, cellHeight }: MatrixFrame,
  x: number,
  y: number,
): CellPlace | null {
  const key = part.keys[0] + Math.floor((x - rect.x) / cellWidth);
  const query = part.queries[0] + Math.floor((y - rect.y) / cellHeight);
  const inside =
    key >= part.keys[0] && key < part.keys[1] && query >= part.queries[0] && query < part.queries[1];
  return inside ? { query, key } : null;
}

export function rectOfCell(frame: MatrixFrame, { query, key }: CellPlace): Rect {
  const { rect, part, cellWidth, cellHeight } = frame;
  return {
    x: rect.x + (key - part.keys[0]) * cellWidth,
    y: rect.y + (query - part.queries[0]) * cellHeight,
    width: cellWidth,
    height: cellHeight,
  };
}

export interface MarginLabel {
  readonly index: number;
  /** The center of its line, from the edge of the window. */
  readonly at: number;
  /** Whether the token itself is shown, or only its position. */
  readonly kind: "token" | "position";
}

/** Labels of the visible lines: tokens if there is room for all, or else positions at regular steps. */
export function marginLabels(
  [first, end]: readonly [number, number],
  origin: number,
  cell: number,
  from: number,
  to: number,
): readonly MarginLabel[] {
  const kind = cell >= NAME_ROOM ? "token" : "position";
  const step = kind === "token" ? 1 : stepFor(cell);
  const labels: MarginLabel[] = [];
  const begin = Math.max(first, first + Math.floor((from - origin) / cell));
  for (let index = Math.ceil(begin / step) * step; index < end; index += step) {
    const at = origin + (index - first + 0.5) * cell;
    if (at > to) break;
    if (at >= from) labels.push({ index, at, kind });
  }
  return labels;
}

/** A step of 1, 2, 5, 10, … lines, so that numbers do not touch. */
function stepFor(cell: number): number {
  for (let power = 1; ; power *= 10) {
    for (const step of [power, 2 * power, 5 * power]) if (step * cell >= NUMBER_ROOM) return step;
  }
}

/** The range of visible lines; the end is exclusive. */
export function linesInSight(
  [first, end]: readonly [number, number],
  origin: number,
  cell: number,
  from: number,
  to: number,
): readonly [number, number] {
  const clamp = (value: number) => Math.max(first, Math.min(end, value));
  return [clamp(first + Math.floor((from - origin) / cell)), clamp(first + Math.ceil((to - origin) / cell))];
}
