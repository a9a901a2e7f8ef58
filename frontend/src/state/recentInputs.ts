/** The inputs shown so far on this page, newest first: how each was left, and how it can be run again. */

import { createSignal } from "solid-js";
import type { TraceMessage } from "../wire/messages";
import { type Input, inputOfTrace } from "./input";
import type { AppState } from "./state";

export interface RecentInput {
  readonly trace: TraceMessage;
  /** Runs the input again; null if this page cannot, because the model is missing or the forward pass was edited. */
  readonly again: Input | null;
  /** The state in which it was last shown; null while it is on show for the first time. */
  readonly left: AppState | null;
}

/** Inputs in the list. Their tokens and predictions stay in memory; the weights don't. */
const MOST = 30;

export function createRecentInputs() {
  const [list, setList] = createSignal<readonly RecentInput[]>([]);

  const find = (trace: string): RecentInput | null => list().find((one) => one.trace.trace === trace) ?? null;

  /** Notes that `after` is shown instead of `before`. `input` is what was run, if this is the result of a run. */
  function shown(before: AppState, after: TraceMessage, input: Input | null): void {
    const known = find(after.trace);
    const arrived: RecentInput = {
      trace: after,
      again: input ?? known?.again ?? runnable(after),
      left: null,
    };
    const { trace, comparison } = before;
    const passes = [trace?.trace, comparison?.current.trace, comparison?.baseline.trace];
    const others = list()
      .filter((one) => one.trace.trace !== after.trace)
      .map((one) => (passes.includes(one.trace.trace) ? { ...one, left: before } : one));
    setList([{ ...arrived, left: known?.left ?? null }, ...others].slice(0, MOST));
  }

  return { list, find, shown };
}

/** The input of a trace, if its model is there, it was not edited, and it has no image: messages don't carry images back. */
function runnable(trace: TraceMessage): Input | null {
  const whole = (trace.edits ?? []).length === 0 && (trace.images ?? []).length === 0;
  return whole ? inputOfTrace(trace) : null;
}
