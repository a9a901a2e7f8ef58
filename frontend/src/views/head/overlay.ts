/** The layer above the image of all lines: the current token, its lines, and the shading and numbers of its targets. */

import { Density } from "../../marks/density";
import { shortWeight } from "../../marks/format";
import { type LineScales, type Lines, strokeLines } from "../../marks/lines";
import { css } from "../../marks/palette";
import type { LineMark } from "../../state/editMarks";
import type { Place, Side } from "../../state/state";
import { context2d, pixelRatio, resize } from "../shared/canvas";
import { opacityOf, type Painting, scaleOf, scalesOf, valueColor } from "../shared/lineScales";
import { rowSize, rowY, type TokenLayout, visibleRows } from "../shared/tokenLayout";
import { bundleLines } from "./bundleLines";
import { orient, type Theme } from "./canvasTheme";
import { type MarkedLine, paintMarkedLine } from "./markedLine";
import { paintChanges } from "./paintChanges";
import type { TokenNumber } from "./shadedNumbers";

/** The weights between a place and the tokens opposite, for each head. */
export interface Shading {
  readonly place: Place;
  readonly stripes: readonly { readonly head: number; readonly weights: Float32Array }[];
  /** What is written beside a token opposite; null for nothing. */
  readonly number: (other: number) => TokenNumber | null;
  /** The same as it is read aloud. */
  readonly spoken: (other: number) => string | null;
}

export interface Overlay {
  readonly painting: Painting;
  readonly theme: Theme;
  /** The token under the pointer. */
  readonly hovered: Place | null;
  readonly shading: Shading | null;
  readonly lines: Lines;
  /** Pinned and current tokens. */
  readonly places: readonly Place[];
  /** The line that is outlined. */
  readonly marked: MarkedLine | null;
  /** Lines that edits cut or set. */
  readonly changed: readonly LineMark[];
}

/** The most lines that are faster to stroke individually than as a density. */
const MOST_STROKES = 250;

/** Width of a number at the outer end of a token's cell. */
const NUMBER_ROOM = 40;

export function paintOverlay(canvas: HTMLCanvasElement, scene: Overlay): void {
  const context = opened(canvas, scene.painting.layout, scene.theme.font);
  const { painting, theme, hovered, shading, lines, places, marked, changed } = scene;
  // Tokens on the shaded side keep their ground free for the shading.
  const grounded = places.filter(({ side }) => side === (shading?.place.side ?? side));
  for (const place of hovered === null ? grounded : [...grounded, hovered])
    highlight(context, place, painting, theme);
  if (shading !== null) shade(context, shading, painting);
  const scales = { ...scalesOf(painting), width: (weight: number) => 1.4 + 2.4 * Math.abs(weight) };
  if (lines.count <= MOST_STROKES) strokeLines(context, lines, scales);
  else rasterize(context, lines, scales, painting.layout);
  paintChanges(context, changed, scales, painting.layout, theme, { numbered: shading === null });
  if (marked !== null) paintMarkedLine(context, marked, scales, painting.layout, theme);
  if (shading !== null) {
    writeNumbers(context, shading, painting, theme);
    writeHints(context, shading, painting, theme);
  }
}

/** The cleared context of a canvas of the window's size; its coordinates are across and along. */
function opened(canvas: HTMLCanvasElement, layout: TokenLayout, family: string): CanvasRenderingContext2D {
  const turned = layout.cells !== undefined;
  const [width, height] = turned ? [layout.height, layout.width] : [layout.width, layout.height];
  const resized = resize(canvas, width, height);
  const context = context2d(canvas);
  // Set only when the size changes, because setting a font forces a layout.
  if (resized) context.font = `12px ${family}`;
  context.resetTransform();
  context.clearRect(0, 0, canvas.width, canvas.height);
  orient(context, turned, pixelRatio());
  return context;
}

/** Reused, because it is filled on every pointer move. */
let density: Density | null = null;

function rasterize(
  context: CanvasRenderingContext2D,
  lines: Lines,
  scales: LineScales,
  layout: TokenLayout,
): void {
  const ratio = pixelRatio();
  const turned = layout.cells !== undefined;
  const across = Math.max(1, Math.round((layout.lineX1 - layout.lineX0) * ratio));
  const along = Math.max(1, Math.round(layout.height * ratio));
  if (density?.width !== across || density.height !== along) density = new Density(across, along, ratio);
  else density.clear();
  for (const { head, y0, y1, amount, sign } of bundleLines(lines, scales, layout.height)) {
    const look = { head, amount, color: scales.color(head, sign), fades: false };
    density.curve(y0, y1, { ...look, dash: scales.dash?.(head) });
  }
  const [width, height] = turned ? [along, across] : [across, along];
  const from = Math.round(layout.lineX0 * ratio);
  const image = new ImageData(density.develop(turned), width, height);
  context.putImageData(image, turned ? 0 : from, turned ? from : 0);
}

interface Cell {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

function cellOf({ layout, scroll }: Painting, side: Side, index: number): Cell {
  const size = rowSize(layout, index, side);
  const gap = layout.rowHeight > 30 ? 3 : 1;
  const x = side === "query" ? layout.queryX : layout.keyX;
  const y = rowY(layout, index, scroll, side) - size / 2 + gap;
  return { x, y, width: layout.column, height: size - 2 * gap };
}

function highlight(
  context: CanvasRenderingContext2D,
  { side, index }: Place,
  painting: Painting,
  theme: Theme,
): void {
  const { x, y, width, height } = cellOf(painting, side, index);
  context.fillStyle = theme.soft;
  context.beginPath();
  context.roundRect(x, y, width, height, 8);
  context.fill();
}

/** Shades the tokens opposite, with a stripe per head and the weight as opacity. */
function shade(context: CanvasRenderingContext2D, { place, stripes }: Shading, painting: Painting): void {
  const { layout, scroll, signed } = painting;
  const scale = scaleOf(painting);
  const side = opposite(place.side);
  const turned = layout.cells !== undefined;
  const rows = stripes[0]?.weights.length ?? 0;
  const [first, last] = visibleRows(layout, scroll, rows, 0, side);
  // A single head fills the whole cell. With several, the stripes leave room for the number at the outer end.
  const room = stripes.length > 1 ? (turned ? 16 : NUMBER_ROOM) : 0;
  const stripe = (layout.column - room) / Math.max(1, stripes.length);
  for (let other = first; other < last; other++) {
    if (!stripes.some(({ weights }) => weights[other] !== 0)) continue;
    const cell = cellOf(painting, side, other);
    const left = side === "query" ? cell.x + room : cell.x;
    const single = stripes.length === 1;
    stripes.forEach(({ head, weights }, at) => {
      if (weights[other] === 0) return;
      const color = valueColor(head, weights[other], painting, "box");
      context.fillStyle = css(color, (signed ? 0.92 : 0.68) * opacityOf(weights[other], scale));
      context.beginPath();
      if (single) context.roundRect(left, cell.y, stripe, cell.height, Math.min(8, cell.height / 4));
      else context.roundRect(left + at * stripe, cell.y, stripe, cell.height, corners(at, stripes.length));
      context.fill();
    });
  }
}

/** Corner radii of the stripes of a cell: only the outer corners are round. */
function corners(at: number, count: number): number[] {
  const [begin, end] = [at === 0 ? 6 : 0, at === count - 1 ? 6 : 0];
  return [begin, end, end, begin];
}

/** Writes the number with the largest magnitude over the heads beside each token opposite. */
function writeNumbers(
  context: CanvasRenderingContext2D,
  { place, stripes, number }: Shading,
  painting: Painting,
  theme: Theme,
): void {
  const { layout, scroll } = painting;
  const side = opposite(place.side);
  const rows = stripes[0]?.weights.length ?? 0;
  const [first, last] = visibleRows(layout, scroll, rows, 0, side);
  const ratio = pixelRatio();
  const turned = layout.cells !== undefined;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.fillStyle = theme.ink;
  context.textBaseline = "middle";
  context.textAlign = turned ? "center" : side === "key" ? "right" : "left";
  const across = side === "key" ? layout.keyX + layout.column - 10 : layout.queryX + 10;
  for (let other = first; other < last; other++) {
    const written = number(other);
    if (written === null) continue;
    const { text, before, quiet } = written;
    const along = rowY(layout, other, scroll, side);
    const [x, y] = turned ? [along, across] : [across, along + 0.5];
    const first = before === null ? "" : `${before} → `;
    const wide = (part: string) => (part === "" ? 0 : context.measureText(part).width);
    const right = side === "key";
    context.fillStyle = theme.quiet;
    if (first !== "") context.fillText(first, right ? x - wide(text) : x, y);
    context.fillStyle = quiet ? theme.quiet : theme.ink;
    context.fillText(text, right ? x : x + wide(first), y);
  }
  orient(context, turned, ratio);
}

/** Writes how many lines lead to tokens before and after the window, and their total weight. */
function writeHints(
  context: CanvasRenderingContext2D,
  { place, stripes }: Shading,
  painting: Painting,
  theme: Theme,
): void {
  const { layout, scroll } = painting;
  const side = opposite(place.side);
  const rows = stripes[0]?.weights.length ?? 0;
  const [first, last] = visibleRows(layout, scroll, rows, 0, side);
  if (first === 0 && last === rows) return;
  const beyond = (from: number, to: number) => {
    let [count, mass] = [0, 0];
    for (const { weights } of stripes) {
      for (let other = from; other < to; other++) {
        if (weights[other] !== 0) {
          count += 1;
          mass += Math.abs(weights[other]);
        }
      }
    }
    return { count, share: mass / Math.max(1, stripes.length) };
  };
  const turned = layout.cells !== undefined;
  const mirrored = (layout.cells?.[side].mirror ?? 0) > 0;
  const before = beyond(0, first);
  const after = beyond(last, rows);
  const ratio = pixelRatio();
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.textBaseline = "middle";
  context.textAlign = "center";
  for (const [{ count, share }, atStart] of [
    [before, !mirrored],
    [after, mirrored],
  ] as const) {
    if (count === 0) continue;
    const lines = count === 1 ? "1 line" : `${count.toLocaleString("en")} lines`;
    const arrow = turned ? (atStart ? "←" : "→") : atStart ? "↑" : "↓";
    const mass =
      place.side === "query" && !painting.signed && share >= 0.005 ? `, ${shortWeight(share)}` : "";
    const text = `${arrow} ${lines}${mass}`;
    const wide = context.measureText(text).width + 16;
    // Placed among the lines, not on the tokens, which are above this canvas.
    const beside = side === "key" ? layout.lineX1 - wide / 2 : layout.lineX0 + wide / 2;
    const x = turned ? (atStart ? wide / 2 : layout.height - wide / 2) : beside;
    const across = side === "key" ? layout.lineX1 - 12 : layout.lineX0 + 12;
    const y = turned ? across : atStart ? 12 : layout.height - 12;
    context.fillStyle = theme.panel;
    context.fillRect(x - wide / 2, y - 12, wide, 24);
    context.fillStyle = theme.accent;
    context.fillText(text, x, y + 0.5);
  }
  orient(context, turned, ratio);
}

function opposite(side: Side): Side {
  return side === "query" ? "key" : "query";
}
