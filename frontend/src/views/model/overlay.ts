/** What lies over the thumbnails: numbers of layers and heads, and what is selected, pointed at or in focus. */

import { prepare } from "../paint";
import { type Grid, inWindow, type Scroll } from "./grid";

export interface HeadPlace {
  readonly layer: number;
  readonly head: number;
}

export interface Marks {
  /** Selected heads of one layer, ascending. */
  readonly selected: { readonly layer: number; readonly heads: readonly number[] };
  readonly hovered: HeadPlace | null;
  readonly focused: HeadPlace | null;
  /** Heads of each layer; 0 for a layer without attention. */
  readonly heads: readonly number[];
}

export interface OverlayInks {
  readonly ink: string;
  readonly quiet: string;
  readonly accent: string;
  readonly panel: string;
  readonly font: string;
}

export function paintOverlay(
  canvas: HTMLCanvasElement,
  grid: Grid,
  scroll: Scroll,
  marks: Marks,
  inks: OverlayInks,
): void {
  const context = prepare(canvas, grid.width, grid.height);
  const seen = inWindow(grid, scroll);
  context.save();
  context.beginPath();
  context.rect(grid.left - 4, grid.top - 4, grid.width, grid.height);
  context.clip();
  const around = (
    layer: number,
    from: number,
    to: number,
    out: number,
  ): readonly [number, number, number, number] => [
    grid.left + from * grid.pitchX - scroll.x - out,
    grid.top + layer * grid.pitchY - scroll.y - out,
    (to - from - 1) * grid.pitchX + grid.cellWidth + 2 * out,
    grid.cellHeight + 2 * out,
  ];
  const ring = (box: readonly [number, number, number, number], colour: string, width: number): void => {
    context.strokeStyle = colour;
    context.lineWidth = width;
    context.beginPath();
    context.roundRect(...box, 4);
    context.stroke();
  };
  for (const [from, to] of runs(marks.selected.heads)) {
    const box = around(marks.selected.layer, from, to, 1.5);
    ring(box, inks.panel, 4);
    ring(box, inks.ink, 2);
  }
  const { hovered, focused } = marks;
  if (hovered !== null) ring(around(hovered.layer, hovered.head, hovered.head + 1, 1), inks.accent, 1.5);
  if (focused !== null) {
    const box = around(focused.layer, focused.head, focused.head + 1, 3);
    ring(box, inks.panel, 4);
    ring(box, inks.accent, 2);
  }
  context.font = inks.font;
  context.textBaseline = "middle";
  context.textAlign = "left";
  for (let layer = seen.layers[0]; layer < seen.layers[1]; layer++) {
    if (marks.heads[layer] > 0) continue;
    context.fillStyle = inks.quiet;
    context.fillText(
      "no attention",
      grid.left + 4,
      grid.top + layer * grid.pitchY - scroll.y + grid.cellHeight / 2,
    );
  }
  context.restore();
  numbers(context, grid, scroll, marks, inks);
}

/** The numbers in the gutters. That of the head or layer pointed at is written also where it would be left out. */
function numbers(
  context: CanvasRenderingContext2D,
  grid: Grid,
  scroll: Scroll,
  { selected, hovered, focused }: Marks,
  inks: OverlayInks,
): void {
  const seen = inWindow(grid, scroll);
  const now = hovered ?? focused;
  const write = (
    index: number,
    [first, end]: readonly [number, number],
    step: number,
    special: readonly number[],
    bold: boolean,
    put: (text: string) => void,
  ): void => {
    if (index < first || index >= end) return;
    const near = special.some((other) => other !== index && Math.abs(other - index) < step);
    if (!special.includes(index) && (index % step !== 0 || near)) return;
    context.fillStyle = bold ? inks.ink : inks.quiet;
    context.font = bold ? `bold ${inks.font}` : inks.font;
    put(String(index));
  };
  context.save();
  context.textBaseline = "middle";
  context.textAlign = "right";
  context.beginPath();
  context.rect(0, grid.top - 4, grid.left, grid.height);
  context.clip();
  const layersNow = now === null ? [selected.layer] : [selected.layer, now.layer];
  for (let layer = seen.layers[0]; layer < seen.layers[1]; layer++) {
    const y = grid.top + layer * grid.pitchY - scroll.y + grid.cellHeight / 2 + 0.5;
    const special = grid.rowStep > 1 ? layersNow : [];
    write(layer, seen.layers, grid.rowStep, special, layersNow.includes(layer), (text) =>
      context.fillText(text, grid.left - 8, y),
    );
  }
  context.restore();
  context.save();
  context.textBaseline = "middle";
  context.textAlign = "center";
  context.beginPath();
  context.rect(grid.left - 4, 0, grid.width, grid.top);
  context.clip();
  const alone = selected.heads.length === 1 ? selected.heads : [];
  const headsNow = now === null ? alone : [...alone, now.head];
  for (let head = seen.heads[0]; head < seen.heads[1]; head++) {
    const x = grid.left + head * grid.pitchX - scroll.x + grid.cellWidth / 2;
    const special = grid.columnStep > 1 ? headsNow : [];
    write(head, seen.heads, grid.columnStep, special, headsNow.includes(head), (text) =>
      context.fillText(text, x, grid.top / 2 - 1),
    );
  }
  context.restore();
}

/** Numbers that follow each other, as first and one after the last. */
export function runs(heads: readonly number[]): readonly (readonly [number, number])[] {
  const found: [number, number][] = [];
  for (const head of heads) {
    const last = found.at(-1);
    if (last !== undefined && last[1] === head) last[1] = head + 1;
    else found.push([head, head + 1]);
  }
  return found;
}
