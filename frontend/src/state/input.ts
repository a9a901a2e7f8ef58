/** The input of a run, and its request. */

import type { ChatMessage, Example, Request, TraceMessage } from "../wire/messages";
import type { Frame, Selection } from "./state";

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
  /** A query token to select then, named by a word. */
  readonly query?: string | null;
  /** How to arrange the panels then. */
  readonly frame?: Partial<Frame>;
}

const FRAMES: Readonly<Record<NonNullable<Example["view"]>, Partial<Frame>>> = {
  head: { at: "head", whole: "all" },
  model: { at: "model", whole: "one", camera: null },
  neuron: { at: "side", whole: "all", side: "neurons" },
};

/** The input that runs an example, selects the heads and the token that it is about, and shows its view. */
export function inputOf(example: Example): Input {
  const { text, pair, target, model, layer, heads, query, view } = example;
  const input: Input = { text, pair, target, model, query: query ?? null, frame: FRAMES[view ?? "head"] };
  if (layer == null && heads == null) return input;
  return { ...input, select: { layer: layer ?? 0, heads: heads ?? [], head: null, token: null } };
}

/** The input that a trace was made from; null if it cannot be run again, because its model is not there. */
export function inputOfTrace({ model, input }: TraceMessage): Input | null {
  const { text, pair, target, messages, continue_final_message } = input;
  if (model.name === null || text === null) return null;
  const chat = messages === undefined ? {} : { messages, continues: continue_final_message === true };
  return { text, pair, target: target ?? null, ...chat, model: model.name };
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
