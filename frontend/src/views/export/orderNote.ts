/** Captions for the order of dimensions. */

import type { Pairing } from "../../compute/rotaryPairs";
import { counted } from "../../marks/format";
import type { Order } from "../../state/state";
import { turnText } from "../neuron/describe";

/**
 * The order of the dimensions in a neuron figure; null for the model’s own order. `reference` names the key whose
 * contributions are sorted.
 */
export function orderNote(order: Order, pairing: Pairing | null, reference: string | null): string | null {
  if (order === "contribution" && reference !== null)
    return `${pairing === null ? "Dimensions" : "Rotary pairs"} are sorted by their contribution to q · k with ${reference}, largest first`;
  if (order !== "wavelength" || pairing === null) return null;
  const rotating = pairing.wavelength.filter(Number.isFinite);
  if (rotating.length === 0) return null;
  const fixed = pairing.wavelength.length - rotating.length;
  const [least, most] = [Math.min(...rotating), Math.max(...rotating)].map(turnText);
  const rest = fixed > 0 ? `, then ${counted(fixed, "pair")} without rotation` : "";
  return `Rotary pairs of q and k are sorted by wavelength: from ${least} tokens on the left to ${most} on the right${rest}`;
}
