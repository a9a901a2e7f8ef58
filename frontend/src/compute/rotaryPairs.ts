/** Dimensions that turn together with the position (RoPE), and the orders in which dimensions stand. Pure. */

import type { Stack } from "../wire/messages";
import type { QueryTrace } from "./neuron";

/** How the dimensions of q and k of one layer turn. */
export interface Pairing {
  /** The other dimension of each one's pair; −1 for one that stands still. */
  readonly partner: Int16Array;
  /** Tokens in one full turn of each dimension; infinite for one that stands still. */
  readonly wavelength: Float64Array;
}

/** What is known of a layer with `dim` dimensions; null where nothing turns, or what came does not fit. */
export function pairingOf(rotary: Stack["rotary"], layer: number, dim: number): Pairing | null {
  const now = isByLayer(rotary) ? (rotary[layer] ?? null) : (rotary ?? null);
  if (now === null || now.pairs.length === 0 || now.pairs.length !== now.wavelengths.length) return null;
  const partner = new Int16Array(dim).fill(-1);
  const wavelength = new Float64Array(dim).fill(Number.POSITIVE_INFINITY);
  for (const [at, [a, b]] of now.pairs.entries()) {
    if (!(a < dim && b < dim && a >= 0 && b >= 0 && a !== b)) return null;
    partner[a] = b;
    partner[b] = a;
    wavelength[a] = now.wavelengths[at];
    wavelength[b] = now.wavelengths[at];
  }
  return { partner, wavelength };
}

function isByLayer(rotary: Stack["rotary"]): rotary is Extract<Stack["rotary"], readonly unknown[]> {
  return Array.isArray(rotary);
}

/** The dimensions that are one unit with `n`: its pair, the lower one first, or itself alone. */
export function unitOf(pairing: Pairing | null, n: number): readonly number[] {
  const other = pairing?.partner[n] ?? -1;
  return other < 0 ? [n] : n < other ? [n, other] : [other, n];
}

/** All units, in the order of their first dimensions. */
export function unitsOf(pairing: Pairing | null, dim: number): readonly (readonly number[])[] {
  return Array.from({ length: dim }, (_, n) => unitOf(pairing, n)).filter((unit, n) => unit[0] === n);
}

/** Dimensions by wavelength, pairs kept together, the fastest first; those that stand still come last, in their own order. */
export function byWavelength(pairing: Pairing): Uint16Array {
  const { wavelength } = pairing;
  const still = (n: number) => !Number.isFinite(wavelength[n]);
  const units = [...unitsOf(pairing, wavelength.length)];
  units.sort((a, b) =>
    still(a[0]) || still(b[0])
      ? Number(still(a[0])) - Number(still(b[0]))
      : wavelength[a[0]] - wavelength[b[0]],
  );
  return Uint16Array.from(units.flat());
}

/** Units by what they add to q · k of one key: the largest first, the most opposed last. */
export function byContribution(trace: QueryTrace, key: number, pairing: Pairing | null = null): Uint16Array {
  const from = key * trace.dim;
  const order = new Uint16Array(trace.dim);
  const units = unitsOf(pairing, trace.dim);
  const adds = Float64Array.from(units, (unit) => unit.reduce((sum, n) => sum + trace.products[from + n], 0));
  const ranks = Uint16Array.from(units, (_, at) => at).sort((a, b) => adds[b] - adds[a] || a - b);
  let place = 0;
  for (const rank of ranks) for (const n of units[rank]) order[place++] = n;
  return order;
}

/**
 * An order for vectors that are folded into `fold` lines, in which the two dimensions that follow each other stand one
 * above the other: what was place 2c and 2c + 1 comes to column c of two lines.
 */
export function stacked(order: Uint16Array, fold: number): Uint16Array {
  if (fold % 2 !== 0) return order;
  const across = order.length / fold;
  const placed = new Uint16Array(order.length);
  for (let at = 0; at < order.length; at++) {
    const column = at >> 1;
    const line = 2 * Math.floor(column / across) + (at & 1);
    placed[line * across + (column % across)] = order[at];
  }
  return placed;
}
