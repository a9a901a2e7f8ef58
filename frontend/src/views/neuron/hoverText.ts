/** Texts for the spot under the pointer or the keyboard cursor: the tooltip and the readout. Pure. */

import type { HeadVectors, QueryTrace } from "../../compute/neuron";
import type { Pairing } from "../../compute/rotaryPairs";
import { signed, sized } from "../../marks/format";
import type { Side } from "../../state/state";
import { cellSentence, cellWords, meaningfulDecimals, rowSentence, wavelengthText } from "./describe";
import type { Spot } from "./hitTest";
import type { ValueSide } from "./scene";
import type { TooltipWords } from "./Tooltip";

export interface HoverContext {
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  readonly pairing: Pairing | null;
  readonly side: ValueSide | null;
  readonly dotError: number;
}

type Name = (side: Side, index: number) => string;

/** The numbers of the cell at a spot; null if there is no cell. */
export function tooltipWords(
  at: Spot | null,
  known: HoverContext,
  dimensionAt: (place: number) => number,
  name: Name,
): TooltipWords | null {
  const { vectors, trace, side, pairing } = known;
  const { dim } = vectors;
  if (at?.place == null) return null;
  if (at.zone === "value") {
    if (side === null || at.place >= side.values.dim) return null;
    const value = side.values.v[at.row * side.values.dim + at.place];
    const product = signed(known.weights[at.row] * value, 3);
    return { kind: "v", dimension: at.place, row: at.row, v: signed(value, 3), weighted: product };
  }
  if (at.place >= dim) return null;
  const dimension = dimensionAt(at.place);
  if (at.zone === "q") {
    const value = vectors.q[at.row * dim + dimension];
    const q = signed(value, meaningfulDecimals(Math.abs(value) * vectors.rounding));
    const partner = pairing?.partner[dimension] ?? -1;
    const wavelength = wavelengthText(pairing?.wavelength[dimension] ?? 0);
    return { kind: "q", dimension, row: at.row, q, pair: partner < 0 ? null : { partner, wavelength } };
  }
  if (at.row >= trace.keys) return null;
  const names = { query: name("query", trace.query), key: name("key", at.row) };
  const cell = cellWords(vectors, trace, at.row, dimension, names, pairing);
  return { kind: "cell", dimension, row: at.row, cell, allowed: trace.allowed[at.row] === 1 };
}

/** The part of the readout about a spot; null if its edge says everything. */
export function hoverDetail(
  at: Spot | null,
  words: TooltipWords | null,
  known: HoverContext,
  name: Name,
): string | null {
  if (words?.kind === "cell") return cellSentence(words.cell, words.allowed, known.trace.signed);
  if (words?.kind === "v")
    return `value dimension ${words.dimension}: v ${words.v}, attention × v ${words.weighted}`;
  if (words?.kind === "q") {
    const pair =
      words.pair && ` · pair with ${words.pair.partner} · rotary wavelength ${words.pair.wavelength} tokens`;
    return `dimension ${words.dimension} of ${name("query", words.row)}: q ${words.q}${pair ?? ""}`;
  }
  if (at === null || at.zone === "query" || at.zone === "q" || at.row >= known.trace.keys) return null;
  return rowSentence(known.trace, at.row, known.dotError) + norms(at.row, known);
}

function norms(key: number, { side }: HoverContext): string {
  if (side?.values.transformed == null || side.weighted === null) return "";
  const { transformed, weighted } = side.fulls;
  const norm = `‖f(x)‖ ${sized(side.values.transformed[key], transformed)}`;
  return ` · ${norm} · α‖f(x)‖ ${sized(side.weighted[key], weighted)}`;
}
