/** Draws over the thumbnails: layer and head numbers, and outlines of selected, hovered and focused heads. */

import type { HeadMark } from "../../state/editMarks";
import type { HeadPlace } from "../../state/state";
import { prepare } from "../shared/canvas";
import { type Rect, rectOf, type View } from "./camera";
import type { Grid } from "./grid";
import type { Block, Placement, Slot } from "./placement";

export interface Marks {
  /** Selected heads of one layer, ascending. */
  readonly selected: { readonly layer: number; readonly heads: readonly number[] };
  readonly hovered: HeadPlace | null;
  readonly focused: HeadPlace | null;
  /** What was done to a head; null if nothing. */
  readonly changed: (place: HeadPlace) => HeadMark | null;
}

export interface OverlayInks {
  readonly ink: string;
  readonly quiet: string;
  readonly accent: string;
  readonly panel: string;
  /** Only for what was changed in the model. */
  readonly changed: string;
  readonly font: string;
}

/** Thumbnails narrower than this have no name. */
const NAMED_FROM = 27;
/** Thumbnails smaller than this show their name instead of the pattern. */
const CHIP = { wide: 36, high: 30 };
/** The corner of a changed head, CSS pixels. */
const CORNER = 10;

export function paintOverlay(
  context: CanvasRenderingContext2D,
  grid: Grid,
  view: View,
  placement: Placement,
  marks: Marks,
  inks: OverlayInks,
  gutters: boolean,
): void {
  context.save();
  context.beginPath();
  const [left, top] = gutters ? [grid.left - 4, grid.top - 4] : [0, 0];
  context.rect(left, top, grid.width, grid.height);
  context.clip();
  names(context, grid, view, placement, marks, inks);
  changes(context, grid, view, placement, marks, inks);
  const selected = marks.selected.heads.flatMap(
    (head) => placement.of({ layer: marks.selected.layer, head }) ?? [],
  );
  for (const run of runs(selected)) {
    const box = grown(around(grid, view, run), 1.5);
    ring(context, box, inks.panel, 4);
    ring(context, box, inks.ink, 2);
  }
  const slotOf = (place: HeadPlace | null) => (place === null ? null : placement.of(place));
  const hovered = slotOf(marks.hovered);
  if (hovered !== null) ring(context, grown(rectOf(grid, view, hovered), 1), inks.accent, 1.5);
  const focused = slotOf(marks.focused);
  if (focused !== null) {
    const box = grown(rectOf(grid, view, focused), 3);
    ring(context, box, inks.panel, 4);
    ring(context, box, inks.accent, 2);
  }
  context.font = inks.font;
  context.textBaseline = "middle";
  context.textAlign = "left";
  context.fillStyle = inks.quiet;
  for (const place of placement.absent) {
    const { x, y, height } = rectOf(grid, view, place);
    if (height >= 12) context.fillText("no attention", x + 4, y + height / 2);
  }
  context.restore();
  if (!gutters) return;
  for (const block of placement.blocks) {
    rowNumbers(context, grid, view, block, marks, inks);
    columnNumbers(context, grid, view, block, marks, inks);
  }
}

/** Marks the heads that were changed: a corner, and a stroke across those that are off. */
function changes(
  context: CanvasRenderingContext2D,
  grid: Grid,
  view: View,
  { lines }: Placement,
  { changed }: Marks,
  inks: OverlayInks,
): void {
  for (const slot of lines.flat()) {
    const mark = changed(slot);
    if (mark === null) continue;
    const { x, y, width, height } = rectOf(grid, view, slot);
    if (mark.factor === 0) {
      for (const [color, thick] of [
        [inks.panel, 4],
        [inks.changed, 1.75],
      ] as const) {
        context.strokeStyle = color;
        context.lineWidth = thick;
        context.beginPath();
        context.moveTo(x + 1, y + height - 1);
        context.lineTo(x + width - 1, y + 1);
        context.stroke();
      }
    }
    const size = Math.max(5, Math.min(CORNER, 0.5 * width, 0.5 * height));
    context.fillStyle = inks.changed;
    context.beginPath();
    context.moveTo(x + width - size, y);
    context.lineTo(x + width, y);
    context.lineTo(x + width, y + size);
    context.fill();
  }
}

/** The names of thumbnails that rows and columns do not identify. */
function names(
  context: CanvasRenderingContext2D,
  grid: Grid,
  view: View,
  { lines, labels }: Placement,
  { selected, changed }: Marks,
  inks: OverlayInks,
): void {
  const first = lines[0]?.[0];
  if (labels === "none" || first === undefined) return;
  const chips = isChip(labels, rectOf(grid, view, first));
  if (labels === "full" && view.pitchX < NAMED_FROM) return;
  for (const slot of lines.flat()) {
    const { x, y, width, height } = rectOf(grid, view, slot);
    if (y > grid.height || y + height < 0 || x > grid.width || x + width < 0) continue;
    const on = slot.layer === selected.layer && selected.heads.includes(slot.head);
    context.font = on ? `bold ${inks.font}` : inks.font;
    if (chips) {
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillStyle = inks.ink;
      context.fillText(`${slot.layer}.${slot.head}`, x + width / 2, y + height / 2 + 0.5);
      continue;
    }
    const right = x + width - (changed(slot) === null ? 0 : CORNER);
    const text = labels === "full" ? `${slot.layer}.${slot.head}` : String(slot.head);
    const wide = context.measureText(text).width + 5;
    context.globalAlpha = 0.88;
    context.fillStyle = inks.panel;
    context.fillRect(right - wide, y, wide, 13);
    context.globalAlpha = 1;
    context.fillStyle = on ? inks.ink : inks.quiet;
    context.textAlign = "right";
    context.textBaseline = "top";
    context.fillText(text, right - 2, y + 1);
  }
}

/** Whether a thumbnail is so small that its name replaces it. */
export function isChip(labels: Placement["labels"], { height, width }: Rect): boolean {
  return labels === "full" && (height < CHIP.high || width < CHIP.wide);
}

/** Outlines adjacent slots together. */
function around(grid: Grid, view: View, run: readonly Slot[]): Rect {
  const first = rectOf(grid, view, run[0]);
  const last = rectOf(grid, view, run[run.length - 1]);
  return { ...first, width: last.x + last.width - first.x };
}

function grown({ x, y, width, height }: Rect, by: number): Rect {
  return { x: x - by, y: y - by, width: width + 2 * by, height: height + 2 * by };
}

export function ring(context: CanvasRenderingContext2D, box: Rect, color: string, width: number): void {
  context.strokeStyle = color;
  context.lineWidth = width;
  context.beginPath();
  context.roundRect(box.x, box.y, box.width, box.height, Math.min(4, box.width / 3, box.height / 3));
  context.stroke();
}

interface PlacedNumber {
  readonly index: number;
  readonly text: string;
  readonly at: number;
  readonly bold: boolean;
}

/** The numbers on a side that have room. Highlighted ones take precedence over their neighbors. */
export function numbersWithRoom(
  numbers: readonly PlacedNumber[],
  room: number,
  [from, to]: readonly [number, number],
): readonly PlacedNumber[] {
  const seen = numbers.filter(({ at }) => at >= from && at <= to);
  const pitch = seen.length > 1 ? Math.abs(seen[1].at - seen[0].at) : room;
  const step = [1, 2, 5, 10, 20, 50].find((each) => each * pitch >= room) ?? 100;
  if (step === 1) return seen;
  const special = seen.filter(({ bold }) => bold);
  return seen.filter(({ index, at, bold }) => {
    if (bold) return true;
    return index % step === 0 && special.every((other) => Math.abs(other.at - at) >= room);
  });
}

/** Writes the row numbers of a block, on its left. */
function rowNumbers(
  context: CanvasRenderingContext2D,
  grid: Grid,
  view: View,
  block: Block,
  { selected, hovered, focused }: Marks,
  inks: OverlayInks,
): void {
  const now = [selected.layer, (hovered ?? focused)?.layer];
  const numbers = block.rowNumbers.map(({ at, text, layer }, index) => {
    const { y, height } = rectOf(grid, view, { column: block.column, row: at });
    return { index, text, at: y + height / 2 + 0.5, bold: layer !== null && now.includes(layer) };
  });
  const x = Math.max(block.column === 0 ? grid.left : -1, view.x + block.column * view.pitchX) - 8;
  if (x < 0) return;
  context.save();
  context.beginPath();
  context.rect(0, grid.top - 4, block.column === 0 ? grid.left : grid.width, grid.height);
  context.clip();
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const { text, at, bold } of numbersWithRoom(numbers, 14, [grid.top - 8, grid.height + 8])) {
    context.fillStyle = bold ? inks.ink : inks.quiet;
    context.font = bold ? `bold ${inks.font}` : inks.font;
    context.fillText(text, block.column === 0 ? grid.left - 8 : x, at);
  }
  context.restore();
}

/** Writes the column numbers of a block, above it. */
function columnNumbers(
  context: CanvasRenderingContext2D,
  grid: Grid,
  view: View,
  block: Block,
  { selected, hovered, focused }: Marks,
  inks: OverlayInks,
): void {
  const alone = selected.heads.length === 1 ? selected.heads[0] : null;
  const now = [alone, (hovered ?? focused)?.head];
  const numbers = block.columnNumbers.map(({ at, text, head }, index) => {
    const { x, width } = rectOf(grid, view, { column: block.column + at, row: 0 });
    return { index, text, at: x + width / 2, bold: now.includes(head) };
  });
  context.save();
  context.beginPath();
  context.rect(grid.left - 4, 0, grid.width, grid.top);
  context.clip();
  context.textBaseline = "middle";
  context.textAlign = "center";
  const room = block.columns > 10 ? 18 : 10;
  for (const { text, at, bold } of numbersWithRoom(numbers, room, [grid.left - 8, grid.width + 8])) {
    context.fillStyle = bold ? inks.ink : inks.quiet;
    context.font = bold ? `bold ${inks.font}` : inks.font;
    context.fillText(text, at, grid.top / 2 - 1);
  }
  context.restore();
}

/** Groups adjacent slots of a row. */
export function runs(slots: readonly Slot[]): readonly (readonly Slot[])[] {
  const ordered = [...slots].sort((a, b) => a.row - b.row || a.column - b.column);
  const found: Slot[][] = [];
  for (const slot of ordered) {
    const last = found.at(-1)?.at(-1);
    if (last !== undefined && last.row === slot.row && last.column + 1 === slot.column)
      found.at(-1)?.push(slot);
    else found.push([slot]);
  }
  return found;
}

export function overlayContext(canvas: HTMLCanvasElement, grid: Grid): CanvasRenderingContext2D {
  return prepare(canvas, grid.width, grid.height);
}
