/** The input of a run, and its request. */

import type { ChatMessage, Example, Request } from "../wire/messages";
import type { Selection } from "./state";

export interface Input {
  readonly text: string;
  readonly pair: string | null;
  /** The target that the decoder of an encoder-decoder model reads; if null, the model generates it. */
  readonly target?: string | null;
  /** A chat instead of the text. */
  readonly messages?: readonly ChatMessage[] | null;
  /** Whether the chat ends within its last message, for the model to continue it. */
  readonly continues?: boolean;
  /** Whether to truncate a text that is too long. */
  readonly cut?: boolean;
  readonly model: string | null;
  /** The bytes of an image file. */
  readonly image?: Uint8Array | null;
  /** What to select once the trace has arrived. */
  readonly select?: Partial<Selection>;
}

/** The input that runs an example and selects the heads that it is about. */
export function inputOf(example: Example): Input {
  const { text, pair, target, model, layer, heads } = example;
  if (layer == null && heads == null) return { text, pair, target, model };
  return { text, pair, target, model, select: { layer: layer ?? 0, heads: heads ?? [], token: null } };
}

/** The request that runs an input. */
export function requestOf(input: Input): Request {
  const { text, pair, target, messages, continues, model } = input;
  return {
    type: "run",
    ...(messages ? { messages } : { text }),
    ...(messages && continues ? { continue_final_message: true } : {}),
    ...(input.image ? { image: input.image } : {}),
    ...(pair === null ? {} : { pair }),
    ...(target == null ? {} : { target }),
    ...(input.cut ? { cut: true } : {}),
    ...(model === null ? {} : { model }),
  };
}
