/** Sentences of captions about orders. Pure. */

import type { Pairing } from "../../compute/rotaryPairs";
import type { Order } from "../../state/state";
import { turnText } from "../neuron/describe";

/** In which order the dimensions of a neuron figure stand; null for their own. `reference` is the key it is about. */
export function orderNote(order: Order, pairing: Pairing | null, reference: string | null): string | null {
  if (order === "contribution" && reference !== null)
    return `${pairing === null ? "Dimensions" : "Pairs of dimensions"} by what they add to q · k of ${reference}, the largest first`;
  if (order !== "wavelength" || pairing === null) return null;
  const turning = pairing.wavelength.filter(Number.isFinite);
  if (turning.length === 0) return null;
  const still = pairing.wavelength.length - turning.length;
  const [least, most] = [Math.min(...turning), Math.max(...turning)].map(turnText);
  const rest = still > 0 ? `, then ${still} that do not turn` : "";
  return `Dimensions of q and k by wavelength, pairs together: one turn in ${least} tokens at the left to ${most} at the right${rest}`;
}
