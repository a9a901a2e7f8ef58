/** Numbers of the neuron view as text. Pure. */

import {
  type Contribution,
  contribution,
  type HeadVectors,
  type QueryTrace,
  together,
} from "../../compute/neuron";
import { type Pairing, unitOf } from "../../compute/rotaryPairs";
import { percent, scaleFactor, signed } from "../../marks/format";

/** The number of meaningful decimals, at most four, of a number with this error. */
export function meaningfulDecimals(error: number): number {
  if (error <= 0) return 4;
  return Math.max(0, Math.min(4, Math.floor(-Math.log10(2 * error))));
}

/** A rotary wavelength on an axis, in tokens: `12`, `6.3`, `1.4k`, `54k`. */
export function turnText(tokens: number): string {
  if (!Number.isFinite(tokens)) return "∞";
  const digits = (value: number) => (value < 9.95 ? value.toFixed(1) : value.toFixed(0));
  if (tokens < 999.5) return digits(tokens);
  return tokens < 999_500 ? `${digits(tokens / 1000)}k` : `${digits(tokens / 1e6)}M`;
}

/** A rotary wavelength in a sentence, in tokens: `12`, `6.3`, `1,400`, `54,000`. */
export function wavelengthText(tokens: number): string {
  if (tokens < 999.5 || !Number.isFinite(tokens)) return turnText(tokens);
  return Number(tokens.toPrecision(2)).toLocaleString("en");
}

export function shareText(share: number | null): string {
  if (share === null) return "–";
  const text = percent(Math.abs(share));
  return share < 0 ? `−${text}` : text;
}

export interface PairWords {
  readonly partner: number;
  readonly wavelength: string;
  /** The pair's contribution to the score, and its share of q · k. */
  readonly scaled: string;
  readonly share: string;
}

export interface CellWords {
  readonly dimension: number;
  readonly query: string;
  readonly key: string;
  readonly numbers: Contribution;
  readonly q: string;
  readonly k: string;
  readonly product: string;
  readonly scaled: string;
  readonly share: string;
  /** The rotary pair of the dimension; null if it does not rotate. */
  readonly pair: PairWords | null;
}

/** The numbers of one dimension of a query and a key, as text. */
export function cellWords(
  vectors: HeadVectors,
  trace: QueryTrace,
  key: number,
  dimension: number,
  names: { readonly query: string; readonly key: string },
  pairing: Pairing | null,
): CellWords {
  const numbers = contribution(vectors, trace, key, dimension);
  const off = (value: number) => meaningfulDecimals(Math.abs(value) * vectors.rounding);
  return {
    dimension,
    ...names,
    numbers,
    q: signed(numbers.q, off(numbers.q)),
    k: signed(numbers.k, off(numbers.k)),
    product: signed(numbers.product, off(2 * numbers.product)),
    scaled: signed(numbers.scaled, off(2 * numbers.scaled)),
    share: shareText(numbers.share),
    pair: pairWords(vectors, trace, key, dimension, pairing),
  };
}

function pairWords(
  vectors: HeadVectors,
  trace: QueryTrace,
  key: number,
  dimension: number,
  pairing: Pairing | null,
): PairWords | null {
  const unit = unitOf(pairing, dimension);
  if (pairing === null || unit.length < 2) return null;
  const both = together(vectors, trace, key, unit);
  const [product] = unit.map((n) => Math.abs(trace.products[key * trace.dim + n])).sort((a, b) => b - a);
  return {
    partner: unit[0] === dimension ? unit[1] : unit[0],
    wavelength: wavelengthText(pairing.wavelength[dimension]),
    scaled: signed(both.scaled, meaningfulDecimals(2 * product * vectors.data.scaling * vectors.rounding)),
    share: shareText(both.share),
  };
}

/** The part of the readout about a cell. */
export function cellSentence(words: CellWords, allowed: boolean, isDifference = false): string {
  const { dimension, q, k, product, scaled, share, pair } = words;
  if (isDifference) {
    const change = `dimension ${dimension}, after − before: q ${q}, k ${k}, q × k ${product}`;
    return allowed ? `${change}, adds ${scaled} to the difference of the scores` : change;
  }
  const tail = allowed ? `, adds ${scaled} to the score, ${share} of q·k` : "";
  const cell = `dimension ${dimension}: ${q} × ${k} = ${product}${tail}`;
  if (pair === null) return cell;
  const both = allowed ? ` adds ${pair.scaled}, ${pair.share} of q·k` : "";
  return `${cell} · pair with ${pair.partner}${both} · rotary wavelength ${pair.wavelength} tokens`;
}

/** The part of the readout about a row: its dot product. */
export function rowSentence(trace: QueryTrace, key: number, error: number): string {
  const name = trace.signed ? "difference of q·k" : "q·k";
  const parts = [`${name} ${signed(trace.dots[key], meaningfulDecimals(error))}`];
  if (trace.capped !== null) parts.push(`capped ${signed(trace.capped[key], 3)}`);
  if (trace.bias !== null) parts.push(`bias ${signed(trace.bias[key], 3)}`);
  return parts.join(" · ");
}

/** The formula from q·k to the score. */
export function scoreFormula(vectors: HeadVectors): string {
  const { scaling, softcap, biasKind } = vectors.data;
  let formula = scaling === 1 ? "q·k" : `q·k × ${scaleFactor(scaling)}`;
  if (softcap !== null) formula = `${softcap} · tanh(${formula} ÷ ${softcap})`;
  return biasKind === null ? formula : `${formula} + bias`;
}
