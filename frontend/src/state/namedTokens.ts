/** The tokens that an address names by words, as places of a trace. */

import type { TraceMessage } from "../wire/messages";
import type { NamedTokens } from "./hash";
import type { Place, Side } from "./state";
import { tokensNamed } from "./words";

export interface NamedPlaces {
  /** The ends of the named pair. */
  readonly pins: readonly Place[];
  /** The token to select: the named one, else the query of the pair. */
  readonly token: Place | null;
  /** Why a name stands for no token; the first such name. */
  readonly notFound: string | null;
}

/** Finds the named tokens in a stack of a trace; of a span, the last token. */
export function placesNamed(trace: TraceMessage, stack: string, named: NamedTokens): NamedPlaces {
  let notFound: string | null = null;
  const at = (name: keyof NamedTokens, side: Side): Place | null => {
    const text = named[name];
    if (text === null) return null;
    const found = tokensNamed(text, trace.tokens[trace.stacks[stack][side]] ?? [], name);
    if (!("sentence" in found)) return { side, index: Math.max(...found) };
    notFound ??= found.sentence;
    return null;
  };
  const [query, key] = [at("query", "query"), at("key", "key")];
  const token = at("token", "query") ?? query;
  return { pins: [query, key].filter((one) => one !== null), token, notFound };
}
