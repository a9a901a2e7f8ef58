/** What a spot of the neuron view can be changed as: dimensions of a vector, or a line. Pure. */

import { type Pairing, unitOf } from "../../compute/rotaryPairs";
import type { ChangeSubject } from "../../state/changeSubject";
import type { Spot } from "./hitTest";

export interface SpotPlace {
  readonly stack: string;
  readonly layer: number;
  readonly head: number;
  readonly query: number;
  readonly pairing: Pairing | null;
  readonly dimensionAt: (place: number) => number;
}

const VECTORS = { q: "q", k: "k", product: "q", value: "v" } as const;

/** A cell stands for its dimension and the rotary partner, its row for a line; the query tokens are tokens. */
export function changeAt(
  spot: Spot,
  { stack, layer, head, query, pairing, dimensionAt }: SpotPlace,
): ChangeSubject {
  const place = { stack, layer, head };
  if (spot.zone === "query") return { kind: "token", ...place, side: "query", index: spot.row };
  if (spot.zone === "row" || spot.place === null) return { kind: "line", ...place, query, key: spot.row };
  const vector = VECTORS[spot.zone];
  const dims = vector === "v" ? [spot.place] : unitOf(pairing, dimensionAt(spot.place));
  return { kind: "neuron", ...place, vector, dims: [...dims].sort((a, b) => a - b) };
}
