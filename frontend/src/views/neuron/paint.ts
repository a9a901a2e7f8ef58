/** The canvases of the neuron view: the vectors and numbers below, what is marked above. */

import type { HeadVectors, QueryTrace } from "../../compute/neuron";
import { shortWeight } from "../../marks/format";
import { type CellImage, colourCells, hatch, signColour, signShare } from "../../marks/neuron";
import { css, inkOn } from "../../marks/palette";
import type { Scale } from "../../state/state";
import { type Layout, rowY, visibleRows } from "../layout";
import { opacityOf } from "../paint";
import { boxOf, type Columns, type NumberColumn, stripHeight } from "./columns";
import { signed } from "./say";

/** Where each column's colour is full. */
export interface Fulls {
  readonly q: number;
  readonly k: number;
  readonly product: number;
  readonly dot: number;
  readonly bias: number;
}

/** The page's own colours, as a canvas needs them. */
export interface Theme {
  readonly dark: boolean;
  readonly ink: string;
  readonly ink2: string;
  readonly ink3: string;
  readonly line: string;
  readonly panel: string;
  readonly accent: string;
  readonly font: string;
}

export interface Scene {
  readonly columns: Columns;
  readonly layout: Layout;
  readonly scroll: number;
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly order: Uint16Array | null;
  readonly fulls: Fulls;
  /** Decimals of q · k that mean something. */
  readonly dotDigits: number;
  readonly scale: Scale;
  readonly theme: Theme;
  readonly ratio: number;
}

const DIMMED = 0.42;
const LEAST_LINE = 0.006;

export function readTheme(element: Element, dark: boolean): Theme {
  const style = getComputedStyle(element);
  const colour = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    dark,
    ink: colour("ink"),
    ink2: colour("ink2"),
    ink3: colour("ink3"),
    line: colour("line"),
    panel: colour("panel"),
    accent: colour("accent"),
    font: style.fontFamily,
  };
}

/** Middle of the selected query's row: it stays in the window when its row is scrolled out. */
export function queryY({ layout, scroll, trace }: Pick<Scene, "layout" | "scroll" | "trace">): number {
  const half = layout.rowHeight / 2;
  return Math.max(half, Math.min(layout.height - half, rowY(layout, trace.query, scroll)));
}

let scratch: HTMLCanvasElement | null = null;

/** Rows `first` ≤ row < `last` as an image, one pixel a cell: a line of `dim / fold` pixels for each line of a row. */
function imageOf(
  values: Float32Array,
  dim: number,
  fold: number,
  first: number,
  last: number,
  look: CellImage,
) {
  scratch ??= document.createElement("canvas");
  const [width, height] = [dim / fold, Math.max(1, (last - first) * fold)];
  if (scratch.width !== width || scratch.height !== height) {
    scratch.width = width;
    scratch.height = height;
  }
  const context = scratch.getContext("2d", { willReadFrequently: true });
  if (context === null) throw new Error("This browser gives no 2d canvas.");
  const image = new ImageData(width, height);
  colourCells(new Uint32Array(image.data.buffer), 0, values, dim, first, last, look);
  context.putImageData(image, 0, 0);
  return scratch;
}

/** Everything but marks: lines, vectors, numbers. */
export function paintScene(context: CanvasRenderingContext2D, scene: Scene): void {
  const { columns, layout, scroll, vectors, trace, order, fulls, scale, theme } = scene;
  const { dim } = vectors;
  context.imageSmoothingEnabled = false;
  const rows = Math.max(vectors.queries, vectors.keys);
  const [first, last] = visibleRows(layout, scroll, rows);
  const lastQuery = Math.min(last, vectors.queries);
  const lastKey = Math.min(last, vectors.keys);
  const look = (full: number): CellImage => ({ dark: theme.dark, order, full, scale });

  paintLines(context, scene);

  const height = stripHeight(layout.rowHeight);
  const strips = (
    values: Float32Array,
    x: number,
    from: number,
    to: number,
    full: number,
    opacity: (row: number) => number,
  ) => {
    if (to <= from) return;
    const image = imageOf(values, dim, columns.fold, from, to, look(full));
    for (let row = from; row < to; row++) {
      const strength = opacity(row);
      if (strength === 0) continue;
      const y = snap(rowY(layout, row, scroll) - height / 2, scene.ratio);
      context.globalAlpha = 1;
      context.fillStyle = theme.panel;
      context.fillRect(x, y, columns.span, height);
      context.globalAlpha = strength;
      const source = (row - from) * columns.fold;
      context.drawImage(image, 0, source, dim / columns.fold, columns.fold, x, y, columns.span, height);
      parts(context, x, y, columns, height, theme.panel);
      context.globalAlpha = 1;
      frame(context, x, y, columns.span, height, theme.line, 1);
    }
  };
  strips(vectors.q, columns.q, first, lastQuery, fulls.q, (row) => (row === trace.query ? 0 : DIMMED));
  strips(vectors.k, columns.k, first, lastKey, fulls.k, (row) => (trace.allowed[row] ? 1 : DIMMED));
  strips(trace.products, columns.product, first, lastKey, fulls.product, (row) => trace.allowed[row]);

  for (let key = first; key < lastKey; key++) paintNumbers(context, scene, key);
  paintQuery(context, scene, height);
}

/** The selected query's vector, framed, over whatever is scrolled behind it. */
function paintQuery(context: CanvasRenderingContext2D, scene: Scene, height: number): void {
  const { columns, vectors, trace, order, fulls, theme, ratio } = scene;
  const { dim } = vectors;
  const image = imageOf(vectors.q, dim, columns.fold, trace.query, trace.query + 1, {
    dark: theme.dark,
    order,
    full: fulls.q,
    scale: scene.scale,
  });
  const y = snap(queryY(scene) - height / 2, ratio);
  context.fillStyle = theme.panel;
  context.fillRect(columns.q - 3, y - 3, columns.span + 6, height + 6);
  context.drawImage(image, 0, 0, dim / columns.fold, columns.fold, columns.q, y, columns.span, height);
  parts(context, columns.q, y, columns, height, theme.panel);
  frame(context, columns.q - 1, y - 1, columns.span + 2, height + 2, theme.accent, 2);
}

/** Lines from the query to its keys, and on through the columns to the softmax, as strong as the attention. */
function paintLines(context: CanvasRenderingContext2D, scene: Scene): void {
  const { columns, layout, scroll, trace, weights, scale, theme } = scene;
  const x0 = columns.q + columns.span + 1;
  const x1 = columns.k;
  const from = queryY(scene);
  const middle = (x0 + x1) / 2;
  const softmax = numberColumn(columns, "softmax");
  context.strokeStyle = theme.accent;
  for (let key = 0; key < trace.keys; key++) {
    const opacity = opacityOf(weights[key], scale);
    const y = rowY(layout, key, scroll);
    const seen = y > -layout.rowHeight && y < layout.height + layout.rowHeight;
    if (trace.allowed[key] === 0 || opacity < (seen ? LEAST_LINE : 0.03)) continue;
    context.globalAlpha = 0.08 + 0.92 * opacity;
    context.lineWidth = 1 + 2.2 * weights[key];
    context.beginPath();
    context.moveTo(x0, from);
    context.bezierCurveTo(middle, from, middle, y, x1, y);
    if (seen) {
      context.moveTo(columns.k + columns.span, y);
      context.lineTo(columns.product, y);
      context.moveTo(columns.product + columns.span, y);
      context.lineTo(columns.numbers[0].x, y);
      context.moveTo(columns.numbers[0].x, y);
      context.lineTo(softmax.x, y);
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

function numberColumn(columns: Columns, name: NumberColumn["name"]): NumberColumn {
  return columns.numbers.find((column) => column.name === name) ?? columns.numbers[0];
}

/** The numbers of one key: q·k as a colour, what the layer makes of it, the weight as a bar. */
function paintNumbers(context: CanvasRenderingContext2D, scene: Scene, key: number): void {
  const { columns, layout, scroll, vectors, trace, fulls, theme, ratio } = scene;
  const y = rowY(layout, key, scroll);
  const height = stripHeight(layout.rowHeight);
  const top = snap(y - height / 2, ratio);
  const allowed = trace.allowed[key] === 1;
  context.textBaseline = "middle";
  context.font = `12px ${theme.font}`;
  if (!allowed) {
    const { x, width } = columns.numbers[0];
    hatch(context, columns.product, top, columns.span, height, theme.line);
    hatch(context, x, top, width, height, theme.line);
    frame(context, columns.product, top, columns.span, height, theme.line, 1);
    frame(context, x, top, width, height, theme.line, 1);
  }
  for (const { name, x, width } of columns.numbers) {
    if (name === "softmax") paintWeight(context, scene, key, x, width, y, allowed);
    else if (!allowed) continue;
    else if (name === "score") {
      context.fillStyle = theme.panel;
      context.fillRect(x, top, width, height);
      context.fillStyle = theme.ink2;
      context.textAlign = "right";
      context.fillText(
        signed(trace.scores[key], Math.min(2, roomFor(trace.scores[key], width))),
        x + width - 6,
        y,
      );
    } else {
      const value = name === "q·k" ? trace.dots[key] : (name === "cap" ? trace.capped : trace.bias)?.[key];
      const full =
        name === "bias" ? fulls.bias : name === "cap" ? fulls.dot * vectors.data.scaling : fulls.dot;
      const colour = signColour(signShare(value ?? 0, full, scene.scale), theme.dark);
      context.fillStyle = css(colour);
      context.beginPath();
      context.roundRect(x, top, width, height, 4);
      context.fill();
      context.strokeStyle = theme.line;
      context.lineWidth = 1;
      context.stroke();
      if (width < 40 || value === undefined) continue;
      context.fillStyle = inkOn(colour);
      context.textAlign = "center";
      const digits = name === "q·k" ? scene.dotDigits : 2;
      context.fillText(signed(value, Math.min(digits, roomFor(value, width))), x + width / 2, y);
    }
  }
}

function paintWeight(
  context: CanvasRenderingContext2D,
  { weights, scale, theme, columns, layout }: Scene,
  key: number,
  x: number,
  width: number,
  y: number,
  allowed: boolean,
): void {
  context.textAlign = "left";
  if (!allowed) {
    context.fillStyle = theme.ink3;
    context.fillText(width > 80 ? "not allowed" : "–", x + 2, y);
    return;
  }
  const weight = weights[key];
  // The token that is attended to is shaded, as in the paper.
  context.globalAlpha = 0.5 * opacityOf(weight, scale);
  context.fillStyle = theme.accent;
  const height = stripHeight(layout.rowHeight);
  context.beginPath();
  context.roundRect(columns.keyX, y - height / 2, columns.token, height, 6);
  context.fill();
  context.globalAlpha = 1;
  const number = 36;
  const most = width - number - 8;
  context.fillStyle = theme.accent;
  context.beginPath();
  context.roundRect(x, y - 5, Math.max(1.5, most * weight), 10, 3);
  context.fill();
  context.fillStyle = shortWeight(weight) === "" ? theme.ink3 : theme.ink;
  context.textAlign = "right";
  context.fillText(shortWeight(weight) || "<.01", x + width - 8, y);
}

export interface Marks {
  /** The key row under the pointer or the keyboard. */
  readonly key: number | null;
  /** Places (not dimensions) along the vectors: the one under the pointer, the one that is kept. */
  readonly hovered: number | null;
  readonly kept: number | null;
}

/** What is marked: a row, and dimensions in every row of every column. */
export function paintMarks(context: CanvasRenderingContext2D, scene: Scene, marks: Marks): void {
  const { columns, layout, scroll, vectors, theme } = scene;
  const height = stripHeight(layout.rowHeight);
  const [first, last] = visibleRows(layout, scroll, Math.max(vectors.queries, vectors.keys));
  if (marks.key !== null) {
    const y = rowY(layout, marks.key, scroll) - height / 2;
    for (const x of [columns.k, columns.product]) {
      frame(context, x - 1, y - 1, columns.span + 2, height + 2, theme.ink, 1.5);
    }
  }
  const outline = (place: number, colour: string, width: number): void => {
    const box = boxOf(columns, vectors.dim, height, place);
    context.strokeStyle = colour;
    context.lineWidth = width;
    const column = (x: number, y: number, tall: number) => {
      const grow = box.width < 4 ? 1.5 : 0.5;
      context.strokeRect(x + box.x - grow, y, box.width + 2 * grow, tall);
    };
    const top = Math.max(1, rowY(layout, first, scroll) - height / 2 - 1);
    const bottom = Math.min(layout.height - 1, rowY(layout, last - 1, scroll) + height / 2 + 1);
    for (const x of [columns.q, columns.k, columns.product]) {
      if (columns.fold === 1) column(x, top, bottom - top);
      else {
        for (let row = first; row < last; row++) {
          column(x, rowY(layout, row, scroll) - height / 2 + box.y, box.height);
        }
      }
    }
  };
  if (marks.hovered !== null && marks.hovered !== marks.kept) outline(marks.hovered, theme.ink2, 1);
  if (marks.kept !== null) outline(marks.kept, theme.ink, 1.5);
}

/** The gaps between the lines of a folded vector. */
function parts(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  { fold, span }: Columns,
  height: number,
  colour: string,
): void {
  context.globalAlpha = 1;
  context.fillStyle = colour;
  for (let line = 1; line < fold; line++) context.fillRect(x, y + (line * height) / fold - 0.5, span, 1);
}

function frame(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  width: number,
  height: number,
  colour: string,
  thick: number,
): void {
  context.strokeStyle = colour;
  context.lineWidth = thick;
  context.strokeRect(x - thick / 2, y - thick / 2, width + thick, height + thick);
}

/** How many decimals of a number fit into a cell; the readout gives them all. */
function roomFor(value: number, width: number): number {
  const whole = Math.trunc(Math.abs(value)).toString().length + 1;
  return Math.max(0, Math.floor((width - 6) / 7.2) - whole - 1);
}

function snap(value: number, ratio: number): number {
  return Math.round(value * ratio) / ratio;
}
