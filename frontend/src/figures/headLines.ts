/** The lines of a head figure: paths, or an image if there are too many. */

import { Density } from "../marks/density";
import type { LineList, LineScales } from "../marks/lines";
import { NUMBER, OUTLINE } from "../marks/markedLine";
import { headDash } from "../marks/palette";
import { darkness } from "../marks/scale";
import { scaleOf, valueColor } from "./fieldColors";
import type { HeadFigure } from "./headSubject";
import { image } from "./image";
import { inksOf } from "./sheet";
import { type Attributes, element, number, type Piece, paint, textWidth, together } from "./svg";

/** The most lines drawn as paths; more are drawn as an image. */
export const MOST_PATHS = 4000;
const FAINT = 0.12;

/** The layout of the tokens: along the axis on which they follow each other, and across it from queries to keys. */
export interface Placement {
  readonly width: number;
  readonly height: number;
  readonly from: number;
  readonly to: number;
  /** The center of a token along the axis. */
  readonly query: (index: number) => number;
  readonly key: (index: number) => number;
  readonly rowHeight: number;
  /** Width of the column (or height of the row) of keys and queries. */
  readonly cells: { readonly query: number; readonly key: number };
  readonly tokens: readonly Piece[];
}

export async function drawLines(
  lines: LineList,
  wanted: HeadFigure,
  place: Placement,
  turned: boolean,
): Promise<{ readonly piece: Piece; readonly raster: boolean }> {
  const { places } = wanted;
  const scales = scalesOf(wanted, place);
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
  // Highlighted lines stay paths; only the others become an image.
  const [drawn, kept] =
    places.length > 0 && strong.length <= MOST_PATHS ? [faint, strong] : [[...faint, ...strong], []];
  const { piece } = await rastered(lines, drawn, scales, place, turned, places.length > 0 ? 0.3 : 1);
  return { piece: together([piece, paths(lines, kept, scales, place, turned, 1)]), raster };
}

function scalesOf({ field, heads, view, dark }: HeadFigure, place: Placement): LineScales {
  const apart = Math.min(3.2, (0.6 * place.rowHeight) / Math.max(1, heads.length));
  const strands = new Map(heads.map((head, at) => [head, (at - (heads.length - 1) / 2) * apart]));
  return {
    ...{ reach: Number.POSITIVE_INFINITY, x0: 0, x1: place.to - place.from },
    strand: (head) => strands.get(head) ?? 0,
    queryY: place.query,
    keyY: place.key,
    opacity: (weight) => 0.96 * darkness(Math.abs(weight), scaleOf(field, view.scale)),
    width: (weight) => 1.1 + 1.7 * Math.abs(weight),
    color: (head, weight = 1) => valueColor(field, head, weight, dark, "line"),
  };
}

/** The outlined line with the number at it, as on the page. */
export function markedLine(wanted: HeadFigure, place: Placement, turned: boolean): Piece {
  const { marked, dark } = wanted;
  if (marked === null) return together([]);
  const scales = scalesOf(wanted, place);
  const inks = inksOf(dark);
  const { head, query, key, weight, text } = marked;
  const [a, b] = [place.query(query) + scales.strand(head), place.key(key) + scales.strand(head)];
  const extent = turned ? place.width : place.height;
  if ([a, b].some((end) => end < 0 || end > extent)) return together([]);
  const d = curve(a, b, place, turned);
  const stroke = (color: string, width: number, more: Attributes = {}): Piece =>
    element("path", { d, fill: "none", stroke: color, "stroke-width": width, ...more });
  const across = (place.from + place.to) / 2;
  const [x, y] = turned ? [(a + b) / 2, across] : [across, (a + b) / 2];
  const wide = textWidth(text, NUMBER.size) + 2 * NUMBER.padding;
  const own = scales.width(weight);
  return element(
    "g",
    { class: "marked" },
    stroke(inks.accent, own + OUTLINE.outer),
    stroke(inks.ground, own + OUTLINE.inner),
    stroke(paint(scales.color(head, weight)), own, {
      "stroke-opacity": scales.opacity(weight).toFixed(3),
      "stroke-dasharray": headDash(head).join(" ") || undefined,
    }),
    element("rect", {
      ...{ x: x - wide / 2, y: y - NUMBER.height / 2, width: wide, height: NUMBER.height },
      ...{ rx: NUMBER.height / 2, fill: inks.ground, stroke: inks.accent },
    }),
    element(
      "text",
      {
        ...{ x, y, "font-size": NUMBER.size, fill: inks.ink },
        ...{ "text-anchor": "middle", "dominant-baseline": "central" },
      },
      text,
    ),
  );
}

function curve(from: number, to: number, place: Placement, turned: boolean): string {
  const [a, b] = [number(from), number(to)];
  const middle = (place.from + place.to) / 2;
  return turned
    ? `M${a} ${place.from}C${a} ${middle} ${b} ${middle} ${b} ${place.to}`
    : `M${place.from} ${a}C${middle} ${a} ${middle} ${b} ${place.to} ${b}`;
}

/** Lines as paths, grouped by head; those of differences have colors of their own. */
function paths(
  lines: LineList,
  chosen: readonly number[],
  scales: LineScales,
  place: Placement,
  turned: boolean,
  strength: number,
): Piece {
  const groups = new Map<number, Piece[]>();
  const colors = new Map<number, string>();
  for (const at of chosen) {
    const head = lines.head[at];
    const weight = lines.weight[at];
    const a = scales.queryY(lines.query[at]) + scales.strand(head);
    const b = scales.keyY(lines.key[at]) + scales.strand(head);
    const d = curve(a, b, place, turned);
    const group = groups.get(head) ?? [];
    const color = paint(scales.color(head, weight));
    if (!colors.has(head)) colors.set(head, color);
    groups.set(head, group);
    group.push(
      element("path", {
        d,
        "stroke-opacity": (strength * scales.opacity(weight)).toFixed(3),
        "stroke-width": scales.width(weight),
        stroke: color === colors.get(head) ? undefined : color,
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
          stroke: colors.get(head),
          "stroke-dasharray": headDash(head).join(" ") || undefined,
          class: `head-${head}`,
        },
        together(edges),
      ),
    ),
  );
}

/** Pixels per unit of the figure. */
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
