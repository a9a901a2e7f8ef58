/** The neuron view as a figure: query, keys, their elementwise products, the sums of these, and the softmax. */

import { type HeadVectors, isCut, type QueryTrace } from "../compute/neuron";
import { scaleFactor, scoreText, signed, significant, statedWeight } from "../marks/format";
import { colorCells, signColor, signShare } from "../marks/neuron";
import { inkOn } from "../marks/palette";
import { darkness, SCALE_TITLES } from "../marks/scale";
import type { ViewSettings } from "../state/state";
import type { Token } from "../wire/messages";
import { image } from "./image";
import { columnWidth, rowHeightOf, rowsAround, tokenText } from "./rows";
import { type Figure, type Inks, inksOf, type Subject, sheetOf } from "./sheet";
import { element, type Piece, paint, together } from "./svg";
import { type ValueSide, valueColumns, valueNotes } from "./values";

export interface NeuronFigure {
  readonly subject: Subject;
  readonly stackLayer: number;
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly view: ViewSettings;
  /** Dimensions from left to right; null for index order. */
  readonly order: Uint16Array | null;
  /** A sentence about the order; null for index order. */
  readonly orderNote: string | null;
  /** The value vectors; null if they are hidden or not loaded. */
  readonly side: ValueSide | null;
  /** Why the value vectors are missing although they are switched on; otherwise null. */
  readonly missing: string | null;
  /** Keys removed before renormalization, and their name; null if the weights are not renormalized. */
  readonly without: { readonly keys: ReadonlySet<number>; readonly name: string } | null;
  /** The magnitude with full color in each column. */
  readonly fulls: { readonly q: number; readonly k: number; readonly product: number; readonly dot: number };
  /** The number of meaningful decimals of q · k. */
  readonly dotDigits: number;
  /** The error of the scores. */
  readonly scoreError: number;
  /** The marked dimensions: one, or a pair. */
  readonly marked: readonly number[];
  readonly dark: boolean;
}

const MOST_ROWS = 200;
const TOP = 44;
const LINES = 120;
const NUMBER = 52;
const WEIGHT = 96;
const GAP = 16;

export async function neuronFigure(wanted: NeuronFigure): Promise<Figure> {
  const { vectors, trace, queries, keys, dark, fulls } = wanted;
  const inks = inksOf(dark);
  const { dim } = vectors;
  const [first, last] = rowsAround(Math.max(queries.length, keys.length), trace.query, MOST_ROWS);
  const [lastQuery, lastKey] = [Math.min(last, queries.length), Math.min(last, keys.length)];
  const rowHeight = rowHeightOf(last - first);
  const size = rowHeight >= 22 ? 14 : 12;
  const cell = dim <= 64 ? 3 : dim <= 128 ? 2 : Math.max(0.5, 256 / dim);
  const span = dim * cell;
  const token = columnWidth(
    [...queries.slice(first, lastQuery), ...keys.slice(first, lastKey)],
    size,
    50,
    150,
  );
  const q = token + 4;
  const k = q + span + LINES;
  const product = k + span + GAP;
  const dots = product + span + GAP;
  const scores = dots + NUMBER + 8;
  const softmax = scores + NUMBER + GAP;
  const keyX = softmax + WEIGHT;
  const y = (row: number) => TOP + (row - first + 0.5) * rowHeight;
  const strip = Math.min(24, rowHeight - 4);

  const vector = async (
    name: string,
    values: Float32Array,
    x: number,
    full: number,
    from: number,
    to: number,
  ) => {
    const words = new Uint32Array(Math.max(1, (to - from) * dim));
    colorCells(words, 0, values, dim, from, to, {
      dark,
      order: wanted.order,
      full,
      scale: wanted.view.scale,
    });
    const rows: Piece[] = [];
    for (let row = from; row < to; row++) {
      const bytes = new Uint8Array(words.buffer, (row - from) * dim * 4, dim * 4);
      const open = name === "query" || trace.allowed[row] === 1;
      if (name === "product" && !open) continue;
      const at = { x, y: y(row) - strip / 2, width: span, height: strip };
      const chosen = name === "query" && row === trace.query;
      rows.push(
        element(
          "g",
          { opacity: chosen || (name !== "query" && open) ? undefined : 0.4, class: `${name}-vector` },
          await image({ width: dim, height: 1, data: bytes }, at, true),
          element("rect", {
            ...at,
            fill: "none",
            stroke: chosen ? inks.accent : inks.line,
            "stroke-width": chosen ? 2 : 1,
          }),
        ),
      );
    }
    return together(rows);
  };
  const body: Piece[] = [
    lines(wanted, inks, first, lastKey, { from: q + span, to: k, y }),
    await vector("query", vectors.q, q, fulls.q, first, lastQuery),
    await vector("key", vectors.k, k, fulls.k, first, lastKey),
    await vector("product", trace.products, product, fulls.product, first, lastKey),
  ];
  for (let row = first; row < lastQuery; row++) {
    body.push(
      tokenText(queries[row], {
        x: token - 6,
        y: y(row),
        size,
        room: token - 8,
        anchor: "end",
        inks,
        bold: row === trace.query,
      }),
    );
  }
  for (let key = first; key < lastKey; key++) {
    body.push(numbers(wanted, inks, key, { y: y(key), strip, dots, scores, softmax }));
    body.push(shade(wanted, inks, key, { x: keyX, y: y(key) - strip / 2, width: token, height: strip }));
    body.push(
      tokenText(keys[key], { x: keyX + 8, y: y(key), size, room: token - 10, anchor: "start", inks }),
    );
  }
  for (const dimension of wanted.marked) {
    const place = wanted.order === null ? dimension : wanted.order.indexOf(dimension);
    const mark = (x: number) =>
      element("rect", {
        ...{ x: x + place * cell - 0.5, y: TOP, width: cell + 1, height: (last - first) * rowHeight },
        fill: "none",
        stroke: inks.ink,
      });
    body.push(...[q, k, product].map(mark));
  }
  const heading = (text: string, below: string, x: number, width: number): Piece =>
    together([
      element(
        "text",
        { x: x + width / 2, y: 14, "text-anchor": "middle", "font-size": 13, fill: inks.ink },
        text,
      ),
      element(
        "text",
        { x: x + width / 2, y: 31, "text-anchor": "middle", "font-size": 12, fill: inks.quiet },
        below,
      ),
    ]);
  body.push(
    heading("query q", `±${significant(fulls.q, 3)}`, q, span),
    heading("key k", `±${significant(fulls.k, 3)}`, k, span),
    heading("q × k", `±${significant(fulls.product, 3)}`, product, span),
    heading("q · k", `±${significant(fulls.dot, 3)}`, dots, NUMBER),
    heading("score", scoreHint(vectors), scores, NUMBER),
    heading("softmax", "attention", softmax, WEIGHT - 12),
  );
  const allowed = (key: number) => trace.allowed[key] === 1;
  const values =
    wanted.side &&
    (await valueColumns(wanted.side, {
      ...{ x: keyX + token + GAP, cell, strip, y, keys: [first, lastKey], allowed },
      ...{ scale: wanted.view.scale, dark, inks },
    }));
  for (const { text, below, x, width } of values?.headings ?? []) body.push(heading(text, below, x, width));
  body.push(...(values?.body ?? []));
  const head = `${wanted.stackLayer}.${vectors.head}`;
  return sheetOf({
    subject: wanted.subject,
    dark,
    name: `neurons-${head}-${trace.query}`,
    title: `Neurons of head ${head}`,
    notes: notesOf(wanted, [first, last]),
    settings: {
      ...{ layer: wanted.stackLayer, heads: [vectors.head], token: trace.query, scale: wanted.view.scale },
      ...{ order: wanted.view.order, dimension: wanted.marked[0] ?? null, values: values !== null },
    },
    width: keyX + token + (values === null ? 0 : GAP + values.width),
    height: TOP + (last - first) * rowHeight + 4,
    body,
  });
}

function notesOf(
  {
    subject,
    stackLayer,
    vectors,
    trace,
    queries,
    keys,
    view,
    orderNote,
    side,
    missing,
    without,
  }: NeuronFigure,
  [first, last]: readonly [number, number],
) {
  const word = queries[trace.query]?.text.trim() ?? "";
  const stack = subject.stack === "" ? "" : ` of the ${subject.stack}`;
  const notes = [
    `How the query of “${word}” (token ${trace.query}) and the keys of head ${stackLayer}.${vectors.head}${stack} produce its attention, dimension by dimension`,
    `Blue is positive and orange negative, on a ${SCALE_TITLES[view.scale]} scale up to the number above each column`,
  ];
  if (orderNote !== null) notes.push(orderNote);
  if (side !== null) notes.push(...valueNotes(side, trace.query, without === null ? "all" : "some"));
  if (missing !== null) notes.push(missing);
  if (without !== null) notes.push(`Attention is renormalized without the ${without.name}`);
  if (vectors.data.softcap !== null) notes.push("Scores are soft-capped");
  if (vectors.data.biasKind !== null) notes.push("Scores include a position bias");
  const all = Math.max(queries.length, keys.length);
  if (last - first < all) notes.push(`Only tokens ${first} to ${last - 1} of ${all} are shown`);
  return notes;
}

/** Lines from the query to its keys, with the weight as opacity. */
function lines(
  { trace, weights, view }: NeuronFigure,
  inks: Inks,
  first: number,
  last: number,
  { from, to, y }: { readonly from: number; readonly to: number; readonly y: (row: number) => number },
): Piece {
  const middle = (from + to) / 2;
  const paths: Piece[] = [];
  for (let key = first; key < last; key++) {
    const opacity = darkness(weights[key], view.scale);
    if (trace.allowed[key] === 0 || opacity < 0.006) continue;
    paths.push(
      element("path", {
        d: `M${from} ${y(trace.query)}C${middle} ${y(trace.query)} ${middle} ${y(key)} ${to} ${y(key)}`,
        "stroke-opacity": (0.08 + 0.92 * opacity).toFixed(3),
        "stroke-width": 1 + 2.2 * weights[key],
        class: "edge",
      }),
    );
  }
  return element("g", { fill: "none", stroke: inks.accent }, together(paths));
}

/** The sum of a row's products, its score and its weight. */
function numbers(
  { trace, weights, fulls, view, dark, dotDigits, scoreError, without }: NeuronFigure,
  inks: Inks,
  key: number,
  at: {
    readonly y: number;
    readonly strip: number;
    readonly dots: number;
    readonly scores: number;
    readonly softmax: number;
  },
): Piece {
  const text = (x: number, anchor: string, words: string, fill: string): Piece =>
    element(
      "text",
      { x, y: at.y, "text-anchor": anchor, "dominant-baseline": "central", "font-size": 12, fill },
      words,
    );
  if (trace.allowed[key] === 0)
    return text(at.softmax, "start", without?.keys.has(key) ? "hidden" : "masked", inks.quiet);
  const color = signColor(signShare(trace.dots[key], fulls.dot, view.scale), dark);
  const most = WEIGHT - 56;
  return together([
    element("rect", {
      ...{ x: at.dots, y: at.y - at.strip / 2, width: NUMBER, height: at.strip, rx: 3 },
      fill: paint(color),
      stroke: inks.line,
    }),
    text(at.dots + NUMBER / 2, "middle", signed(trace.dots[key], Math.min(2, dotDigits)), inkOn(color)),
    text(at.scores + NUMBER - 4, "end", scoreText(trace.scores[key], scoreError), inks.quiet),
    element("rect", {
      x: at.softmax,
      y: at.y - 4,
      width: Math.max(1, most * weights[key]),
      height: 8,
      rx: 2,
      fill: inks.accent,
    }),
    text(
      at.softmax + WEIGHT - 14,
      "end",
      isCut(trace, weights, key) ? "cut" : statedWeight(weights[key]),
      inks.ink,
    ),
  ]);
}

/** Shades the key's token by the weight, as in the paper's figure. */
function shade(
  { trace, weights, view }: NeuronFigure,
  inks: Inks,
  key: number,
  box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number },
): Piece {
  const opacity = trace.allowed[key] === 0 ? 0 : 0.45 * darkness(weights[key], view.scale);
  if (opacity < 0.004) return together([]);
  return element("rect", { ...box, rx: 4, fill: inks.accent, "fill-opacity": opacity.toFixed(3) });
}

function scoreHint({ data }: HeadVectors): string {
  return data.softcap === null && data.biasKind === null ? `× ${scaleFactor(data.scaling)}` : "softmax input";
}
