/** The value side of a neuron figure: value vectors, and how much each key contributes to the head output. */

import type { HeadValues } from "../compute/values";
import { sized } from "../marks/format";
import { colorCells } from "../marks/neuron";
import type { Scale } from "../state/state";
import { image } from "./image";
import type { Inks } from "./sheet";
import { element, type Piece } from "./svg";

export interface ValueSide {
  readonly values: HeadValues;
  /** α‖f(x)‖ of every key; null if norms are unknown. */
  readonly weighted: Float32Array | null;
  /** The magnitude with full color, or a full bar, in each column. */
  readonly fulls: { readonly v: number; readonly transformed: number; readonly weighted: number };
}

export interface ValuePlace {
  readonly x: number;
  /** Width of one dimension, and height of a vector. */
  readonly cell: number;
  readonly strip: number;
  /** The center of a key's row. */
  readonly y: (key: number) => number;
  readonly keys: readonly [number, number];
  readonly allowed: (key: number) => boolean;
  readonly scale: Scale;
  readonly dark: boolean;
  readonly inks: Inks;
}

export interface ValueHeading {
  readonly text: string;
  readonly below: string;
  readonly x: number;
  readonly width: number;
}

export interface ValueColumns {
  readonly width: number;
  readonly body: readonly Piece[];
  readonly headings: readonly ValueHeading[];
}

const NORM = 88;
const GAP = 16;
const LEAST_SPAN = 48;

export async function valueColumns(side: ValueSide, place: ValuePlace): Promise<ValueColumns> {
  const { values, weighted, fulls } = side;
  const { x, keys, inks } = place;
  const span = Math.max(LEAST_SPAN, values.dim * place.cell);
  const body: Piece[] = [await vectors(side, place, span)];
  const headings: ValueHeading[] = [
    { text: "value v", below: `±${sized(fulls.v, fulls.v)}`, x, width: span },
  ];
  if (values.transformed === null || weighted === null) return { width: span, body, headings };
  const f = x + span + GAP;
  const added = f + NORM + GAP;
  for (let key = keys[0]; key < keys[1]; key++) {
    body.push(...length(f, key, values.transformed[key], fulls.transformed, inks.quiet, place));
    if (place.allowed(key))
      body.push(...length(added, key, weighted[key], fulls.weighted, inks.accent, place));
    else body.push(words(added, place.y(key), "start", "–", inks.quiet));
  }
  headings.push(
    { text: "‖f(x)‖", below: "norm after W_O", x: f, width: NORM },
    { text: "α‖f(x)‖", below: "contribution", x: added, width: NORM },
  );
  return { width: added + NORM - x, body, headings };
}

/** Caption sentences about the value vectors. The output is over all keys, so it is not compared with a sum over some. */
export function valueNotes(
  { values, weighted }: ValueSide,
  query: number,
  counted: "all" | "some",
): readonly string[] {
  const notes = ["On the right, the value vector v of each key"];
  if (values.transformed === null || weighted === null)
    return [...notes, values.note ?? "The norms of the head output are unknown"];
  notes[0] +=
    ", its norm ‖f(x)‖ after the head's part of W_O, and its contribution to the head output, α‖f(x)‖";
  if (values.outputs === null) return notes;
  if (counted === "some") {
    const length = sized(values.outputs[query], values.outputs[query]);
    return [...notes, `The head output, over all keys, has norm ${length}`];
  }
  const whole = weighted.reduce((sum, one) => sum + one, 0);
  const own = values.outputs[query];
  const full = Math.max(whole, own);
  return [
    ...notes,
    `The head output has norm ${sized(own, full)}; the contributions of the keys sum to ${sized(whole, full)}`,
  ];
}

async function vectors({ values, fulls }: ValueSide, place: ValuePlace, span: number): Promise<Piece> {
  const { x, y, strip, dark, scale, inks } = place;
  const [first, last] = place.keys;
  const { dim } = values;
  const pixels = new Uint32Array(Math.max(1, (last - first) * dim));
  colorCells(pixels, 0, values.v, dim, first, last, { dark, scale, order: null, full: fulls.v });
  const rows: Piece[] = [];
  for (let key = first; key < last; key++) {
    const data = new Uint8Array(pixels.buffer, (key - first) * dim * 4, dim * 4);
    const at = { x, y: y(key) - strip / 2, width: span, height: strip };
    rows.push(
      element(
        "g",
        { opacity: place.allowed(key) ? undefined : 0.4, class: "value-vector" },
        await image({ width: dim, height: 1, data }, at, true),
        element("rect", { ...at, fill: "none", stroke: inks.line }),
      ),
    );
  }
  return element("g", { class: "values" }, ...rows);
}

function length(
  x: number,
  key: number,
  value: number,
  full: number,
  color: string,
  { y, inks }: ValuePlace,
): readonly Piece[] {
  const share = full > 0 ? Math.min(1, value / full) : 0;
  const bar = { x, y: y(key) - 4, width: Math.max(1, (NORM - 42) * share), height: 8, rx: 2, fill: color };
  return [element("rect", bar), words(x + NORM, y(key), "end", sized(value, full), inks.ink)];
}

function words(x: number, y: number, anchor: string, text: string, fill: string): Piece {
  const look = { "text-anchor": anchor, "dominant-baseline": "central", "font-size": 12, fill };
  return element("text", { x, y, ...look }, text);
}
