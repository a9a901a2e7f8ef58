/** The inputs shown so far on this page, newest first: how each was left, and how it can be run again. */

import { createSignal } from "solid-js";
import type { TraceMessage } from "../wire/messages";
import type { Input } from "./input";
import type { AppState } from "./state";

export interface Visited {
  readonly trace: TraceMessage;
  /** Runs the input again; null if this page cannot, because the model is missing or the forward pass was edited. */
  readonly again: Input | null;
  /** The state in which it was last shown; null while it is on show for the first time. */
  readonly left: AppState | null;
}

/** Inputs in the list. Their tokens and predictions stay in memory; the weights don't. */
const MOST = 30;

export type VisitedInputs = ReturnType<typeof createVisited>;

export function createVisited() {
  const [list, setList] = createSignal<readonly Visited[]>([]);

  const find = (trace: string): Visited | null => list().find((one) => one.trace.trace === trace) ?? null;

  /** Notes that `after` is shown instead of `before`. `input` is what was run, if this is the result of a run. */
  function shown(before: AppState, after: TraceMessage, input: Input | null): void {
    const known = find(after.trace);
    const arrived: Visited = { trace: after, again: input ?? known?.again ?? runnable(after), left: null };
    const others = list()
      .filter((one) => one.trace.trace !== after.trace)
      .map((one) => (one.trace.trace === before.trace?.trace ? { ...one, left: before } : one));
    setList([{ ...arrived, left: known?.left ?? null }, ...others].slice(0, MOST));
  }

  return { list, find, shown };
}

/** The input of a trace, if its model is there, it was not edited, and it has no image: messages don't carry images back. */
function runnable({ model, input, edits, images }: TraceMessage): Input | null {
  const { text, pair, target, messages } = input;
  const whole = (edits ?? []).length === 0 && (images ?? []).length === 0;
  if (model.name === null || text === null || !whole) return null;
  return { text, pair, target: target ?? null, messages: messages ?? null, model: model.name };
}
