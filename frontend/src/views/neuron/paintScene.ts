/** The lower canvas of the neuron view: vectors, lines, numbers. */

import { isCut } from "../../compute/neuron";
import { scoreDecimals, shortDifference, shortWeight, signed, sized, statedWeight } from "../../marks/format";
import { type Field, hatching, StripPainter, signColor, signShare } from "../../marks/neuron";
import { css, inkOn } from "../../marks/palette";
import { opacityOf } from "../shared/lineScales";
import { rowY, visibleRows } from "../shared/tokenLayout";
import { type NumberColumn, stripHeight } from "./columns";

import { queryY, type Scene } from "./scene";

/** Opacity of vectors that are not in use, of 255. */
const DIMMED = 107;
const LEAST_LINE = 0.006;

/** Ranges of query and key rows in the window; ends are exclusive. */
interface Window {
  readonly first: number;
  readonly lastQuery: number;
  readonly lastKey: number;
}

export function paintScene(context: CanvasRenderingContext2D, scene: Scene): void {
  const { layout, scroll, vectors } = scene;
  const [first, last] = visibleRows(layout, scroll, Math.max(vectors.queries, vectors.keys));
  const window: Window = {
    first,
    lastQuery: Math.min(last, vectors.queries),
    lastKey: Math.min(last, vectors.keys),
  };
  paintVectors(context, scene, window);
  paintFrames(context, scene, window);
  paintLines(context, scene);
  context.textBaseline = "middle";
  context.font = `12px ${scene.theme.font}`;
  for (let key = window.first; key < window.lastKey; key++) paintNumbers(context, scene, key);
}

let scratch: ImageData | null = null;

/** Paints all cells into one image; a canvas call per row would cost more than the painting. */
function paintVectors(context: CanvasRenderingContext2D, scene: Scene, window: Window): void {
  const { columns, layout, scroll, vectors, trace, order, group, fulls, scale, theme, ratio, side } = scene;
  const { dim } = vectors;
  const px = (x: number) => Math.round(x * ratio);
  const left = px(columns.q);
  const right =
    columns.values === null ? columns.product + columns.span : columns.values.x + columns.values.span;
  const [width, height] = [Math.max(1, px(right) - left), Math.max(1, px(layout.height))];
  if (scratch?.width !== width || scratch.height !== height) scratch = new ImageData(width, height);
  const pixels = new Uint32Array(scratch.data.buffer);
  pixels.fill(0);
  const field: Field = { pixels, width, height };
  const tall = px(stripHeight(layout.rowHeight));
  const top = (row: number) => px(rowY(layout, row, scroll) - stripHeight(layout.rowHeight) / 2);
  const painter = (full: number) =>
    new StripPainter({
      ...{ dark: theme.dark, order, full, scale, dim, group },
      ...{ fold: columns.fold, width: px(columns.span), height: tall },
    });
  const strip = (
    values: Float32Array,
    column: number,
    end: number,
    full: number,
    opacity: (row: number) => number,
  ) => {
    const one = painter(full);
    const x = px(column) - left;
    for (let row = window.first; row < end; row++) {
      const strength = opacity(row);
      if (strength > 0) one.paint(field, values, row * one.look.dim, x, top(row), strength);
    }
    return one;
  };
  const allowed = (row: number) => (trace.allowed[row] === 1 ? 255 : DIMMED);
  const queries = strip(vectors.q, columns.q, window.lastQuery, fulls.q, (row) =>
    row === trace.query ? 0 : DIMMED,
  );
  strip(vectors.k, columns.k, window.lastKey, fulls.k, allowed);
  strip(trace.products, columns.product, window.lastKey, fulls.product, (row) => 255 * trace.allowed[row]);
  if (side !== null && columns.values !== null) {
    const { values } = side;
    const one = new StripPainter({
      ...{ dark: theme.dark, order: null, full: side.fulls.v, scale, dim: values.dim, group: 0 },
      ...{ fold: columns.fold, width: px(columns.values.span), height: tall },
    });
    for (let row = window.first; row < window.lastKey; row++) {
      one.paint(field, values.v, row * values.dim, px(columns.values.x) - left, top(row), allowed(row));
    }
  }
  // The selected query vector covers what is scrolled beneath it.
  const y = px(queryY(scene) - stripHeight(layout.rowHeight) / 2);
  clear(field, 0, y - px(3), px(columns.span) + px(3), tall + px(6));
  queries.paint(field, vectors.q, trace.query * dim, 0, y);
  context.putImageData(scratch, left, 0);
}

function clear({ pixels, width, height }: Field, x: number, y: number, wide: number, tall: number): void {
  for (let row = Math.max(0, y); row < Math.min(height, y + tall); row++) {
    pixels.fill(0, row * width + x, row * width + Math.min(width, x + wide));
  }
}

/** Draws vector outlines, hatching of masked keys, and the frame of the selected query. */
function paintFrames(
  context: CanvasRenderingContext2D,
  scene: Scene,
  { first, lastQuery, lastKey }: Window,
): void {
  const { columns, layout, scroll, trace, theme, ratio } = scene;
  const height = stripHeight(layout.rowHeight);
  const half = 0.5 / ratio;
  const top = (row: number) => snap(rowY(layout, row, scroll) - height / 2, ratio);
  const kept = snap(queryY(scene) - height / 2, ratio);
  const covered = (row: number) => Math.abs(top(row) - kept) < height + 4;
  const hatched = hatching(context, theme.line);
  context.beginPath();
  const edge = (x: number, row: number, width: number) =>
    context.rect(x - half, top(row) - half, width + 2 * half, height + 2 * half);
  for (let row = first; row < lastQuery; row++) if (!covered(row)) edge(columns.q, row, columns.span);
  for (let row = first; row < lastKey; row++) {
    edge(columns.k, row, columns.span);
    edge(columns.product, row, columns.span);
    if (columns.values !== null) edge(columns.values.x, row, columns.values.span);
    if (trace.allowed[row] === 1) continue;
    const [sum] = columns.numbers;
    edge(sum.x, row, sum.width);
    context.fillStyle = hatched;
    context.fillRect(columns.product, top(row), columns.span, height);
    context.fillRect(sum.x, top(row), sum.width, height);
  }
  context.strokeStyle = theme.line;
  context.lineWidth = 1 / ratio;
  context.stroke();
  context.strokeStyle = theme.accent;
  context.lineWidth = 2;
  context.strokeRect(columns.q - 2, kept - 2, columns.span + 4, height + 4);
}

/** Draws lines from the query to the keys and through the columns to the softmax, with the weight as opacity. */
function paintLines(context: CanvasRenderingContext2D, scene: Scene): void {
  const { columns, layout, scroll, trace, weights, scale, theme } = scene;
  const x0 = columns.q + columns.span + 3;
  const x1 = columns.k - 1;
  const from = queryY(scene);
  const middle = (x0 + x1) / 2;
  const between: readonly (readonly [number, number])[] = [
    [columns.k + columns.span + 1, columns.product - 1],
    [columns.product + columns.span + 1, columns.numbers[0].x],
    ...columns.numbers
      .slice(1)
      .map(({ x }, at) => [columns.numbers[at].x + columns.numbers[at].width, x] as const),
  ];
  context.strokeStyle = theme.accent;
  for (let key = 0; key < trace.keys; key++) {
    if (trace.allowed[key] === 0) continue;
    if (trace.signed) context.strokeStyle = css(signColor(0.8 * Math.sign(weights[key]), theme.dark));
    const opacity = opacityOf(weights[key], scale);
    const y = rowY(layout, key, scroll);
    const inView = y > -layout.rowHeight && y < layout.height + layout.rowHeight;
    if (opacity < (inView ? LEAST_LINE : 0.03)) continue;
    context.globalAlpha = 0.08 + 0.92 * opacity;
    context.lineWidth = 1 + 2.2 * Math.abs(weights[key]);
    context.beginPath();
    context.moveTo(x0, from);
    context.bezierCurveTo(middle, from, middle, y, x1, y);
    for (const [start, end] of inView ? between : []) {
      context.moveTo(start, y);
      context.lineTo(end, y);
    }
    context.stroke();
  }
  context.globalAlpha = 1;
}

/** Draws the numbers of one key: q·k and the bias as colors, the score, and bars for the weight and the norms. */
function paintNumbers(context: CanvasRenderingContext2D, scene: Scene, key: number): void {
  const { columns, layout, scroll, vectors, trace, fulls, theme, ratio } = scene;
  const y = rowY(layout, key, scroll);
  const height = stripHeight(layout.rowHeight);
  const top = snap(y - height / 2, ratio);
  const allowed = trace.allowed[key] === 1;
  for (const { name, x, width } of columns.numbers) {
    if (name === "softmax") paintWeight(context, scene, key, x, width, y, allowed);
    else if (!allowed) continue;
    else if (name === "score" && Number.isNaN(trace.scores[key]))
      write(context, "–", x + width - 5, y, theme.ink2, "right");
    else if (name === "score") {
      const digits = Math.min(
        scoreDecimals(trace.scores[key], scene.scoreError),
        roomFor(trace.scores[key], width),
      );
      write(context, signed(trace.scores[key], digits), x + width - 5, y, theme.ink2, "right");
    } else {
      const value = numberOf(scene, name, key);
      const full =
        name === "bias" ? fulls.bias : name === "cap" ? fulls.dot * vectors.data.scaling : fulls.dot;
      const color = signColor(signShare(value, full, scene.scale), theme.dark);
      context.fillStyle = css(color);
      context.fillRect(x, top, width, height);
      const digits = Math.min(name === "q·k" ? scene.dotDigits : scoreDecimals(value), roomFor(value, width));
      write(context, signed(value, digits), x + width / 2, y, inkOn(color), "center");
    }
  }
  paintNorms(context, scene, key, y, allowed);
}

function numberOf({ trace }: Scene, name: NumberColumn["name"], key: number): number {
  return (name === "q·k" ? trace.dots : name === "cap" ? trace.capped : trace.bias)?.[key] ?? 0;
}

function paintWeight(
  context: CanvasRenderingContext2D,
  { trace, weights, absent, scale, theme, columns, layout }: Scene,
  key: number,
  x: number,
  width: number,
  y: number,
  allowed: boolean,
): void {
  if (!allowed) {
    write(context, width > 96 ? absent : "–", x + 2, y, theme.ink2, "left");
    return;
  }
  if (isCut(trace, weights, key)) {
    write(context, "cut", x + width - 6, y, theme.ink2, "right");
    return;
  }
  const weight = weights[key];
  if (trace.signed) {
    const height = stripHeight(layout.rowHeight);
    context.fillStyle = css(signColor(0.6 * Math.sign(weight), theme.dark), 0.9 * opacityOf(weight, "root"));
    context.fillRect(columns.keyX, y - height / 2, columns.token, height);
    // From the middle: to the right if the weight grows, to the left if it shrinks.
    const half = (width - 42) / 2;
    const long = Math.max(0.75, half * Math.min(1, Math.abs(weight)));
    context.fillStyle = theme.line;
    context.fillRect(x + half - 0.5, y - 8, 1, 16);
    context.fillStyle = css(signColor(0.8 * Math.sign(weight), theme.dark));
    context.fillRect(weight < 0 ? x + half - long : x + half, y - 5, long, 10);
    const text = shortDifference(weight);
    write(context, text, x + width - 4, y, text === ".00" ? theme.ink2 : theme.ink, "right");
    return;
  }
  // The key token is shaded by the weight, as in the paper.
  context.globalAlpha = 0.5 * opacityOf(weight, scale);
  context.fillStyle = theme.accent;
  const height = stripHeight(layout.rowHeight);
  context.fillRect(columns.keyX, y - height / 2, columns.token, height);
  context.globalAlpha = 1;
  bar(context, x, y, width - 38, weight, theme.accent);
  const quiet = shortWeight(weight) === "";
  write(context, statedWeight(weight), x + width - 6, y, quiet ? theme.ink2 : theme.ink, "right");
}

/** ‖f(x)‖ and α‖f(x)‖ of one key. */
function paintNorms(
  context: CanvasRenderingContext2D,
  { columns, side, theme }: Scene,
  key: number,
  y: number,
  allowed: boolean,
): void {
  const at = columns.values?.norms;
  if (!at || side?.values.transformed == null || side.weighted === null) return;
  const one = (x: number, value: number, full: number, color: string) => {
    bar(context, x, y, at.width - 40, full > 0 ? value / full : 0, color);
    write(
      context,
      sized(value, full),
      x + at.width - 4,
      y,
      value < full / 200 ? theme.ink2 : theme.ink,
      "right",
    );
  };
  one(at.f, side.values.transformed[key], side.fulls.transformed, theme.ink3);
  if (allowed) one(at.weighted, side.weighted[key], side.fulls.weighted, theme.accent);
  else write(context, "–", at.weighted + 2, y, theme.ink2, "left");
}

function bar(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  room: number,
  share: number,
  color: string,
): void {
  context.fillStyle = color;
  context.fillRect(x, y - 5, Math.max(1.5, room * Math.min(1, share)), 10);
}

function write(
  context: CanvasRenderingContext2D,
  text: string,
  x: number,
  y: number,
  color: string,
  align: CanvasTextAlign,
): void {
  context.fillStyle = color;
  context.textAlign = align;
  context.fillText(text, x, y);
}

/** How many decimals of a number fit into a cell; the readout shows all of them. */
function roomFor(value: number, width: number): number {
  const whole = Math.trunc(Math.abs(value)).toString().length + 1;
  return Math.max(0, Math.floor((width - 6) / 7.2) - whole - 1);
}

function snap(value: number, ratio: number): number {
  return Math.round(value * ratio) / ratio;
}
