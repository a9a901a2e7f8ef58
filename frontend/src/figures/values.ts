/** The value side of a neuron figure: what each key has to give, and how much of it the head passes on. */

import type { HeadValues } from "../compute/values";
import { sized } from "../marks/format";
import { colorCells } from "../marks/neuron";
import type { Scale } from "../state/state";
import { image } from "./image";
import type { Inks } from "./sheet";
import { element, type Piece } from "./svg";

export interface ValueSide {
  readonly values: HeadValues;
  /** α‖f(x)‖ of every key; null where lengths are not known. */
  readonly weighted: Float32Array | null;
  /** Where each column's color, or bar, is full. */
  readonly fulls: { readonly v: number; readonly transformed: number; readonly weighted: number };
}

export interface ValuePlace {
  readonly x: number;
  /** Width of one dimension, and height of a vector. */
  readonly cell: number;
  readonly strip: number;
  /** The middle of a key's row. */
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
    { text: "‖f(x)‖", below: "length after W_O", x: f, width: NORM },
    { text: "α‖f(x)‖", below: "added", x: added, width: NORM },
  );
  return { width: added + NORM - x, body, headings };
}

/** What a caption says of the value side. The output is of all keys, and no part of what some of them add up to. */
export function valueNotes(
  { values, weighted }: ValueSide,
  query: number,
  counted: "all" | "some",
): readonly string[] {
  const notes = ["At the right the value v of each key"];
  if (values.transformed === null || weighted === null)
    return [...notes, values.note ?? "How long what the head passes on is, is not known"];
  notes[0] += ", the length ‖f(x)‖ of what the head would pass on of it, and α‖f(x)‖, what it adds";
  if (values.outputs === null) return notes;
  if (counted === "some") {
    const length = sized(values.outputs[query], values.outputs[query]);
    return [...notes, `The head's output, of all keys, is ${length} long`];
  }
  const whole = weighted.reduce((sum, one) => sum + one, 0);
  const own = values.outputs[query];
  const full = Math.max(whole, own);
  return [
    ...notes,
    `The head's output is ${sized(own, full)} long, of ${sized(whole, full)} that the keys add up to`,
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
