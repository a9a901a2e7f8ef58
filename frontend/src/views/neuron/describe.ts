/** The neuron view's numbers as words. Pure. */

import {
  type Contribution,
  contribution,
  type HeadVectors,
  type QueryTrace,
  together,
} from "../../compute/neuron";
import { type Pairing, unitOf } from "../../compute/rotaryPairs";
import { percent, signed } from "../../marks/format";

/** Decimals of a number that may be off by `error`: none that mean nothing, at most four. */
export function meaningfulDecimals(error: number): number {
  if (error <= 0) return 4;
  return Math.max(0, Math.min(4, Math.floor(-Math.log10(2 * error))));
}

/** Tokens in one turn: `12`, `6.3`, `1.4k`, `54k`. */
export function turnText(tokens: number): string {
  if (!Number.isFinite(tokens)) return "∞";
  const digits = (value: number) => (value < 9.95 ? value.toFixed(1) : value.toFixed(0));
  if (tokens < 999.5) return digits(tokens);
  return tokens < 999_500 ? `${digits(tokens / 1000)}k` : `${digits(tokens / 1e6)}M`;
}

export function shareText(share: number | null): string {
  if (share === null) return "–";
  const text = percent(Math.abs(share));
  return share < 0 ? `−${text}` : text;
}

export interface PairWords {
  readonly partner: number;
  readonly wavelength: string;
  /** What both of the pair add to the score, and their share of q · k. */
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
  /** The pair that the dimension turns with; null where it stands still. */
  readonly pair: PairWords | null;
}

/** What there is to say of one dimension of one query and key. */
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
    wavelength: turnText(pairing.wavelength[dimension]),
    scaled: signed(both.scaled, meaningfulDecimals(2 * product * vectors.data.scaling * vectors.rounding)),
    share: shareText(both.share),
  };
}

/** The readout's part about a cell. */
export function cellSentence(words: CellWords, allowed: boolean): string {
  const { dimension, q, k, product, scaled, share, pair } = words;
  const tail = allowed ? `, adds ${scaled} to the score, ${share} of q·k` : "";
  const cell = `dimension ${dimension}: ${q} × ${k} = ${product}${tail}`;
  if (pair === null) return cell;
  const both = allowed ? `: together ${pair.scaled}, ${pair.share}` : "";
  return `${cell} · with ${pair.partner}, one turn in ${pair.wavelength} tokens${both}`;
}

/** The readout's part about a row: its sum. */
export function rowSentence(trace: QueryTrace, key: number, error: number): string {
  const parts = [`q·k ${signed(trace.dots[key], meaningfulDecimals(error))}`];
  if (trace.capped !== null) parts.push(`capped ${signed(trace.capped[key], 3)}`);
  if (trace.bias !== null) parts.push(`bias ${signed(trace.bias[key], 3)}`);
  return parts.join(" · ");
}

/** How a score comes from q·k, as a formula. */
export function scoreFormula(vectors: HeadVectors): string {
  const { scaling, softcap, biasKind } = vectors.data;
  let formula = scaling === 1 ? "q·k" : `q·k × ${Number(scaling.toPrecision(4))}`;
  if (softcap !== null) formula = `${softcap} · tanh(${formula} ÷ ${softcap})`;
  return biasKind === null ? formula : `${formula} + bias`;
}
