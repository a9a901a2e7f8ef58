/** What two compared passes are called. Pure. */

import type { AlignMessage, TraceMessage } from "../wire/messages";
import { word } from "./format";

export interface PassNames {
  readonly before: string;
  readonly after: string;
}

interface Passes {
  readonly kind: string;
  readonly baseline: TraceMessage;
  readonly current: TraceMessage;
  readonly alignment: Pick<AlignMessage, "substituted"> | null;
}

/** Two prompts that differ in one word are called by it, two models by their titles, others before and after. */
export function passNames({ kind, baseline, current, alignment }: Passes): PassNames {
  if (kind === "model")
    return { before: baseline.model.title ?? "before", after: current.model.title ?? "after" };
  const [only, ...others] = alignment?.substituted ?? [];
  if (kind === "prompt" && only !== undefined && others.length === 0) {
    const [here, there] = [firstSide(current)[only[0]], firstSide(baseline)[only[1]]];
    if (here !== undefined && there !== undefined && word(here) !== word(there))
      return { before: word(there), after: word(here) };
  }
  return { before: "before", after: "after" };
}

/** The tokens that the model reads first. */
export function firstSide(trace: TraceMessage): TraceMessage["tokens"][string] {
  return Object.values(trace.tokens)[0] ?? [];
}
