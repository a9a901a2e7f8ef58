/** What a change is about: the thing that the user pointed at. */

import type { Side } from "./state";

export type ChangeSubject = HeadSubject | LineSubject | TokenSubject | NeuronSubject;

interface InHead {
  readonly stack: string;
  readonly layer: number;
  readonly head: number;
}

/** The output of a head. */
export interface HeadSubject extends InHead {
  readonly kind: "head";
}

/** The attention of a query to a key. */
export interface LineSubject extends InHead {
  readonly kind: "line";
  readonly query: number;
  readonly key: number;
}

/** A token as a query or as a key, in the head that is looked at. */
export interface TokenSubject extends InHead {
  readonly kind: "token";
  readonly side: Side;
  readonly index: number;
}

/** Dimensions of q, k or v: one, or a rotary pair. */
export interface NeuronSubject extends InHead {
  readonly kind: "neuron";
  readonly vector: "q" | "k" | "v";
  readonly dims: readonly number[];
}
