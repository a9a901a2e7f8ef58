/** What is given to be traced, and the request that asks for it. */

import type { ChatMessage, Example, Request } from "../wire/messages";
import type { Selection } from "./state";

export interface Input {
  readonly text: string;
  readonly pair: string | null;
  /** What the decoder of an encoder-decoder model reads; null: what the model writes itself. */
  readonly target?: string | null;
  /** A chat in place of the text. */
  readonly messages?: readonly ChatMessage[] | null;
  /** Whether a text that is too long is cut. */
  readonly cut?: boolean;
  readonly model: string | null;
  /** The bytes of a picture's file. */
  readonly image?: Uint8Array | null;
  /** What to select of it once it is there. */
  readonly select?: Partial<Selection>;
}

/** An example as the input that runs it and selects what it is about. */
export function inputOf(example: Example): Input {
  const { text, pair, target, model, layer, heads } = example;
  if (layer == null && heads == null) return { text, pair, target, model };
  return { text, pair, target, model, select: { layer: layer ?? 0, heads: heads ?? [], token: null } };
}

/** The request that runs an input. */
export function requestOf(input: Input): Request {
  const { text, pair, target, messages, model } = input;
  return {
    type: "run",
    ...(messages ? { messages } : { text }),
    ...(input.image ? { image: input.image } : {}),
    ...(pair === null ? {} : { pair }),
    ...(target == null ? {} : { target }),
    ...(input.cut ? { cut: true } : {}),
    ...(model === null ? {} : { model }),
  };
}
