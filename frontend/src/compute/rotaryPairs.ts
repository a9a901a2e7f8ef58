/** Pairs of dimensions that rotate together (RoPE), and sort orders of dimensions. Pure. */

import type { Stack } from "../wire/messages";
import type { QueryTrace } from "./neuron";

/** How the dimensions of q and k of one layer rotate with the position. */
export interface Pairing {
  /** The partner of each dimension; −1 for a dimension that does not rotate. */
  readonly partner: Int16Array;
  /** The wavelength of each dimension in tokens; infinite for a dimension that does not rotate. */
  readonly wavelength: Float64Array;
}

/** Reads the pairing of a layer with `dim` dimensions; null if nothing rotates or the data do not fit. */
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

/** The unit that contains dimension `n`: its pair, lower dimension first, or itself alone. */
export function unitOf(pairing: Pairing | null, n: number): readonly number[] {
  const other = pairing?.partner[n] ?? -1;
  return other < 0 ? [n] : n < other ? [n, other] : [other, n];
}

/** All units, ordered by their first dimension. */
export function unitsOf(pairing: Pairing | null, dim: number): readonly (readonly number[])[] {
  return Array.from({ length: dim }, (_, n) => unitOf(pairing, n)).filter((unit, n) => unit[0] === n);
}

/** Dimensions by wavelength, shortest first, with pairs kept together; dimensions that do not rotate come last. */
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

/** Units by their contribution to q · k of one key, from largest to most negative. */
export function byContribution(trace: QueryTrace, key: number, pairing: Pairing | null = null): Uint16Array {
  const from = key * trace.dim;
  const order = new Uint16Array(trace.dim);
  const units = unitsOf(pairing, trace.dim);
  const adds = Float64Array.from(units, (unit) => unit.reduce((sum, n) => sum + trace.products[from + n], 0));
  // Differences of either sign count.
  const size = (at: number) => (trace.signed ? Math.abs(adds[at]) : adds[at]);
  const ranks = Uint16Array.from(units, (_, at) => at).sort((a, b) => size(b) - size(a) || a - b);
  let place = 0;
  for (const rank of ranks) for (const n of units[rank]) order[place++] = n;
  return order;
}

/**
 * Rearranges an order for vectors folded into `fold` lines so that two consecutive dimensions are one above the other:
 * places 2c and 2c + 1 move to column c of two lines.
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
