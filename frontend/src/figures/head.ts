/** The head view as a figure: tokens that attend at the left, tokens attended to at the right, a line for each weight. */

import type { LayerField } from "../compute/field";
import { Density } from "../marks/density";
import { percent } from "../marks/format";
import type { LineList, LineScales } from "../marks/lines";
import { headColour, headDash } from "../marks/palette";
import { darkness, SCALE_TITLES } from "../marks/scale";
import type { Place, ViewSettings } from "../state/state";
import type { Token } from "../wire/messages";
import { type EdgeRules, edgesBetween, rowDrawn } from "./edges";
import { image } from "./image";
import { leftOutNotes, tokensShown } from "./leftOut";
import { columnWidth, rowHeightOf, rowsAround, tokenText } from "./rows";
import { type Figure, inksOf, type Subject, sheetOf } from "./sheet";
import { element, number, type Piece, paint, together } from "./svg";

export interface HeadFigure {
  readonly subject: Subject;
  readonly field: LayerField;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly heads: readonly number[];
  readonly view: ViewSettings;
  readonly sinks: ReadonlySet<number>;
  readonly sinkName: string;
  /** Pinned and selected tokens: their lines stand out, and the tokens opposite to the last are shaded. */
  readonly places: readonly Place[];
  readonly dark: boolean;
}

/** Lines that stay lines; more are drawn as an image of them. */
export const MOST_PATHS = 4000;
const LINES = { columns: 300, turned: 150 };
const FAINT = 0.12;

export async function headFigure(wanted: HeadFigure): Promise<Figure> {
  const { view, places, queries, keys, field } = wanted;
  const middle = places.at(-1)?.index ?? null;
  const queryRange = rowsAround(queries.length, middle);
  const keyRange = rowsAround(keys.length, middle);
  const shown = tokensShown(wanted, queries, keys);
  const rules: EdgeRules = {
    heads: wanted.heads,
    queryShown: shown.query,
    keyShown: shown.key,
    sinks: wanted.sinks,
    treatment: view.sinks,
    threshold: view.threshold,
    top: view.top,
    scale: view.scale,
  };
  const { lines, dropped } = edgesBetween(field, rules, queryRange, keyRange);
  const turned = view.orientation === "rows";
  const place = turned
    ? acrossTokens(wanted, queryRange, keyRange)
    : downTokens(wanted, queryRange, keyRange);
  const picture = await drawLines(lines, wanted, place, turned);
  const notes = notesOf(wanted, { dropped, raster: picture.raster, queryRange, keyRange });
  return sheetOf({
    subject: wanted.subject,
    dark: wanted.dark,
    name: nameOf(wanted),
    title: titleOf(wanted),
    notes,
    settings: settingsOf(wanted, lines.count),
    width: place.width,
    height: place.height,
    body: [shading(wanted, rules, place, turned), picture.piece, ...place.tokens, ...squares(wanted, place)],
  });
}

/** Where the tokens stand: along the axis that they follow each other on, and across it from queries to keys. */
interface Placement {
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly to: number;
  /** Middle of a token on the axis. */
  readonly query: (index: number) => number;
  readonly key: (index: number) => number;
  readonly rowHeight: number;
  /** Width of the column (or height of the row) of keys and of queries. */
  readonly cells: { readonly query: number; readonly key: number };
  readonly tokens: readonly Piece[];
}

/** Room for the names of several heads. */
function topOf({ heads }: HeadFigure): number {
  return heads.length > 1 ? 30 : 4;
}

function isMarked({ places }: HeadFigure, side: Place["side"], index: number): boolean {
  return places.some((place) => place.side === side && place.index === index);
}

function downTokens(
  wanted: HeadFigure,
  queryRange: readonly [number, number],
  keyRange: readonly [number, number],
): Placement {
  const { queries, keys } = wanted;
  const inks = inksOf(wanted.dark);
  const rows = Math.max(queryRange[1] - queryRange[0], keyRange[1] - keyRange[0]);
  const rowHeight = rowHeightOf(rows);
  const size = rowHeight >= 22 ? 14 : 12;
  const cells = {
    query: columnWidth(queries.slice(...queryRange), size, 60, 190),
    key: columnWidth(keys.slice(...keyRange), size, 60, 190),
  };
  const from = cells.query + 6;
  const to = from + LINES.columns;
  const top = topOf(wanted);
  const y = (first: number) => (index: number) => top + (index - first + 0.5) * rowHeight;
  const [query, key] = [y(queryRange[0]), y(keyRange[0])];
  const tokens: Piece[] = [];
  const column = (
    side: Place["side"],
    all: readonly Token[],
    [first, last]: readonly [number, number],
  ): void => {
    for (let index = first; index < last; index++) {
      tokens.push(
        tokenText(all[index], {
          x: side === "query" ? cells.query - 8 : to + 14,
          y: side === "query" ? query(index) : key(index),
          anchor: side === "query" ? "end" : "start",
          ...{ size, inks, room: cells[side] - 10, bold: isMarked(wanted, side, index) },
        }),
      );
    }
  };
  column("query", queries, queryRange);
  column("key", keys, keyRange);
  return {
    width: to + 6 + cells.key,
    height: top + rows * rowHeight + 4,
    ...{ from, to, query, key, rowHeight, cells, tokens },
  };
}

function acrossTokens(
  wanted: HeadFigure,
  queryRange: readonly [number, number],
  keyRange: readonly [number, number],
): Placement {
  const { queries, keys } = wanted;
  const inks = inksOf(wanted.dark);
  const size = 14;
  const room = Math.max(
    columnWidth(queries.slice(...queryRange), size, 24, 120),
    columnWidth(keys.slice(...keyRange), size, 24, 120),
  );
  const rowHeight = Math.min(room, 64);
  const tilted = room > 64;
  const cell = tilted ? room * 0.75 + 14 : 28;
  const x = (first: number) => (index: number) => (index - first + 0.5) * rowHeight;
  const [query, key] = [x(queryRange[0]), x(keyRange[0])];
  const from = topOf(wanted) + cell;
  const to = from + LINES.turned;
  const tokens: Piece[] = [];
  const line = (
    side: Place["side"],
    all: readonly Token[],
    [first, last]: readonly [number, number],
  ): void => {
    for (let index = first; index < last; index++) {
      tokens.push(
        tokenText(all[index], {
          x: side === "query" ? query(index) : key(index),
          y: side === "query" ? from - 14 : to + 14,
          anchor: tilted ? (side === "query" ? "start" : "end") : "middle",
          turned: tilted ? -45 : undefined,
          ...{ size, inks, room, bold: isMarked(wanted, side, index) },
        }),
      );
    }
  };
  line("query", queries, queryRange);
  line("key", keys, keyRange);
  const count = Math.max(queryRange[1] - queryRange[0], keyRange[1] - keyRange[0]);
  const spare = tilted ? 40 : 4;
  return {
    width: count * rowHeight + spare,
    height: to + cell + 4,
    ...{ from, to, query, key, rowHeight, cells: { query: 26, key: 26 }, tokens },
  };
}

async function drawLines(
  lines: LineList,
  wanted: HeadFigure,
  place: Placement,
  turned: boolean,
): Promise<{ readonly piece: Piece; readonly raster: boolean }> {
  const { heads, view, dark, places } = wanted;
  const apart = Math.min(3.2, (0.6 * place.rowHeight) / Math.max(1, heads.length));
  const strands = new Map(heads.map((head, at) => [head, (at - (heads.length - 1) / 2) * apart]));
  const scales: LineScales = {
    ...{ reach: Number.POSITIVE_INFINITY, x0: 0, x1: place.to - place.from },
    strand: (head) => strands.get(head) ?? 0,
    queryY: place.query,
    keyY: place.key,
    opacity: (weight) => 0.96 * darkness(weight, view.scale),
    width: (weight) => 1.1 + 1.7 * weight,
    colour: (head) => headColour(head, dark),
  };
  const chosen = (at: number): boolean =>
    places.length === 0 ||
    places.some(({ side, index }) => (side === "query" ? lines.query[at] : lines.key[at]) === index);
  const strong: number[] = [];
  const faint: number[] = [];
  for (let at = 0; at < lines.count; at++) (chosen(at) ? strong : faint).push(at);
  const raster = strong.length + faint.length > MOST_PATHS;
  if (!raster) {
    const pieces = [
      paths(lines, faint, scales, place, turned, FAINT),
      paths(lines, strong, scales, place, turned, 1),
    ];
    return { piece: together(pieces), raster };
  }
  // Where some stand out, these stay lines: only the rest is an image.
  const [drawn, kept] =
    places.length > 0 && strong.length <= MOST_PATHS ? [faint, strong] : [[...faint, ...strong], []];
  const { piece } = await rastered(lines, drawn, scales, place, turned, places.length > 0 ? 0.3 : 1);
  return { piece: together([piece, paths(lines, kept, scales, place, turned, 1)]), raster };
}

/** Lines as paths, those of a head in a group. */
function paths(
  lines: LineList,
  chosen: readonly number[],
  scales: LineScales,
  place: Placement,
  turned: boolean,
  strength: number,
): Piece {
  const groups = new Map<number, Piece[]>();
  const middle = (place.from + place.to) / 2;
  for (const at of chosen) {
    const head = lines.head[at];
    const weight = lines.weight[at];
    const a = number(scales.queryY(lines.query[at]) + scales.strand(head));
    const b = number(scales.keyY(lines.key[at]) + scales.strand(head));
    const d = turned
      ? `M${a} ${place.from}C${a} ${middle} ${b} ${middle} ${b} ${place.to}`
      : `M${place.from} ${a}C${middle} ${a} ${middle} ${b} ${place.to} ${b}`;
    const group = groups.get(head) ?? [];
    groups.set(head, group);
    group.push(
      element("path", {
        d,
        "stroke-opacity": (strength * scales.opacity(weight)).toFixed(3),
        "stroke-width": scales.width(weight),
        class: "edge",
      }),
    );
  }
  return together(
    [...groups].map(([head, edges]) =>
      element(
        "g",
        {
          fill: "none",
          stroke: paint(scales.colour(head)),
          "stroke-dasharray": headDash(head).join(" ") || undefined,
          class: `head-${head}`,
        },
        together(edges),
      ),
    ),
  );
}

/** Pixels for each unit of the figure. */
const RATIO = 2;
const MOST_PIXELS = 6e6;

async function rastered(
  lines: LineList,
  chosen: readonly number[],
  scales: LineScales,
  place: Placement,
  turned: boolean,
  opacity: number,
): Promise<{ readonly piece: Piece }> {
  const length = place.to - place.from;
  const extent = turned ? place.width : place.height;
  const ratio = Math.min(RATIO, Math.sqrt(MOST_PIXELS / (length * extent)));
  const density = new Density(Math.round(length * ratio), Math.round(extent * ratio), ratio);
  const some = subset(lines, chosen);
  density.add(some, scales);
  const { width, height } = density;
  const data = new Uint8Array(density.develop(false).buffer);
  const drawn = turned
    ? await image(
        { width: height, height: width, data: transposed(data, width, height) },
        { x: 0, y: place.from, width: extent, height: length },
        false,
      )
    : await image({ width, height, data }, { x: place.from, y: 0, width: length, height: extent }, false);
  return { piece: opacity === 1 ? drawn : element("g", { opacity }, drawn) };
}

function subset(lines: LineList, chosen: readonly number[]) {
  const pick = <T extends Uint16Array | Uint32Array | Float32Array>(into: T, from: T): T => {
    chosen.forEach((at, to) => {
      into[to] = from[at];
    });
    return into;
  };
  return {
    count: chosen.length,
    head: pick(new Uint16Array(chosen.length), lines.head),
    query: pick(new Uint32Array(chosen.length), lines.query),
    key: pick(new Uint32Array(chosen.length), lines.key),
    weight: pick(new Float32Array(chosen.length), lines.weight),
  };
}

function transposed(data: Uint8Array, width: number, height: number): Uint8Array {
  const from = new Uint32Array(data.buffer, data.byteOffset, width * height);
  const to = new Uint32Array(width * height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) to[x * height + y] = from[y * width + x];
  return new Uint8Array(to.buffer);
}

/** The tokens opposite to the last place, shaded by the weight that they share with it: a stripe for each head. */
function shading(wanted: HeadFigure, rules: EdgeRules, place: Placement, turned: boolean): Piece {
  const last = wanted.places.at(-1);
  if (last === undefined) return together([]);
  const [opposite, count] =
    last.side === "query"
      ? (["key", wanted.keys.length] as const)
      : (["query", wanted.queries.length] as const);
  const room = place.cells[opposite] - 4;
  const stripe = room / Math.max(1, wanted.heads.length);
  const start = opposite === "key" ? place.to + 6 : place.from - 6 - room;
  const boxes: Piece[] = [];
  wanted.heads.forEach((head, nth) => {
    const row = last.side === "query" ? rowDrawn(wanted.field, head, last.index, rules) : null;
    for (let index = 0; index < count; index++) {
      const at = opposite === "key" ? place.key(index) : place.query(index);
      if (at < 0 || at > (turned ? place.width : place.height)) continue;
      const seen =
        opposite === "key"
          ? rules.keyShown(index) && rules.queryShown(last.index)
          : rules.queryShown(index) && rules.keyShown(last.index);
      if (!seen) continue;
      const weight = row === null ? rowDrawn(wanted.field, head, index, rules)[last.index] : row[index];
      const opacity = 0.6 * darkness(weight, wanted.view.scale);
      if (opacity < 0.004) continue;
      const along = { at: at - place.rowHeight / 2 + 1, size: place.rowHeight - 2 };
      const across = { at: start + nth * stripe, size: stripe };
      const [h, v] = turned ? [along, across] : [across, along];
      boxes.push(
        element("rect", {
          ...{ x: h.at, y: v.at, width: h.size, height: v.size, rx: stripe > 12 ? 3 : 0 },
          fill: paint(headColour(head, wanted.dark)),
          "fill-opacity": opacity.toFixed(3),
        }),
      );
    }
  });
  return element("g", { class: "shading" }, together(boxes));
}

/** The heads by name, each in its colour. */
function squares({ heads, field, dark }: HeadFigure, { width }: Placement): readonly Piece[] {
  const pitch = 44;
  const most = Math.max(1, Math.floor((width - 40) / pitch));
  const shown = heads.slice(0, heads.length > most ? most - 1 : most);
  const inks = inksOf(dark);
  const named = shown.map((head, at) =>
    together([
      element("path", {
        d: `M${at * pitch} 8h14`,
        stroke: paint(headColour(head, dark)),
        "stroke-width": 4,
        "stroke-dasharray":
          headDash(head)
            .map((part) => part / 2)
            .join(" ") || undefined,
      }),
      element(
        "text",
        { x: at * pitch + 18, y: 12, "font-size": 12, fill: inks.quiet },
        `${field.layer}.${head}`,
      ),
    ]),
  );
  const more = heads.length - shown.length;
  const rest =
    more > 0
      ? [
          element(
            "text",
            { x: shown.length * pitch, y: 12, "font-size": 12, fill: inks.quiet },
            `and ${more}`,
          ),
        ]
      : [];
  return heads.length > 1 ? [...named, ...rest] : [];
}

function headsName({ field, heads }: HeadFigure): string {
  return heads.length === 1 ? `${field.layer}.${heads[0]}` : `${field.layer}.${heads.join(",")}`;
}

function titleOf(wanted: HeadFigure): string {
  const { field, heads } = wanted;
  if (heads.length === 1) return `Head ${headsName(wanted)}`;
  return heads.length === field.heads
    ? `Layer ${field.layer}, all ${field.heads} heads`
    : `Layer ${field.layer}, heads ${heads.join(", ")}`;
}

function nameOf(wanted: HeadFigure): string {
  const { field, heads } = wanted;
  return heads.length === 1 ? `head-${headsName(wanted)}` : `layer-${field.layer}`;
}

interface Left {
  readonly dropped: number;
  readonly raster: boolean;
  readonly queryRange: readonly [number, number];
  readonly keyRange: readonly [number, number];
}

function notesOf(wanted: HeadFigure, left: Left): readonly string[] {
  const { view, places, subject, queries, keys } = wanted;
  const stack = subject.stack === "" ? "" : ` of the ${subject.stack}`;
  const notes = [
    `Attention of ${titleOf(wanted).replace(/^(Head|Layer)/, (name) => name.toLowerCase())}${stack}, from each token at the ${view.orientation === "rows" ? "top to those at the bottom" : "left to those at the right"}`,
    `Opacity is the weight, from 0 to 1 on a ${SCALE_TITLES[view.scale]} scale`,
  ];
  notes.push(...leftOutNotes(wanted));
  const limits: string[] = [];
  if (view.threshold > 0) limits.push(`weights of ${Number(view.threshold.toPrecision(2))} and more`);
  if (view.top !== null) limits.push(`the ${view.top} heaviest keys of each query`);
  if (limits.length > 0) notes.push(`Only ${limits.join(" among ")}`);
  const cut = [left.queryRange, left.keyRange].some(
    ([first, last], at) => last - first < (at === 0 ? queries : keys).length,
  );
  if (cut) notes.push(`Only tokens ${left.queryRange[0]} to ${left.queryRange[1] - 1} of ${queries.length}`);
  if (left.dropped >= 0.005) notes.push(`${percent(left.dropped)} of the attention is not drawn`);
  if (places.length > 0) notes.push("Lines of the chosen tokens stand out");
  if (left.raster) notes.push("The lines are many, and drawn as an image");
  return notes;
}

function settingsOf({ view, field, heads, places }: HeadFigure, lines: number) {
  const { scale, filter, sinks, threshold, top, orientation } = view;
  return {
    layer: field.layer,
    heads,
    scale,
    filter,
    sinks,
    threshold,
    top,
    orientation,
    tokens: places,
    lines,
  };
}
