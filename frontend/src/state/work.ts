/** Requests that the user waits for: the work in progress, the last failure, and how to retry. */

import { createSignal } from "solid-js";
import { type Source, stoppedAnswering } from "../source/source";
import type { Message, Request } from "../wire/messages";
import { type Failure, failureOf } from "./failure";
import { type Answer, RequestSlot, runRequest } from "./request";

export interface Work {
  readonly what: "run" | "change" | "layer" | "check" | "export" | "open" | "hello";
  readonly text: string;
  readonly done: number;
  readonly total: number;
  /** Why the request is still queued; null once it is being worked on. */
  readonly waiting: string | null;
}

export type WorkTracker = ReturnType<typeof createWork>;

export function createWork(source: Source) {
  const [work, setWork] = createSignal<Work | null>(null);
  const [failure, setFailure] = createSignal<Failure | null>(null);
  let again: () => void = () => undefined;
  const slots: Readonly<Record<Work["what"], RequestSlot>> = {
    run: new RequestSlot(),
    change: new RequestSlot(),
    layer: new RequestSlot(),
    check: new RequestSlot(),
    export: new RequestSlot(),
    open: new RequestSlot(),
    hello: new RequestSlot(),
  };

  /** Runs one request up to its first answer; null if it failed or was canceled. */
  async function ask<T extends Message["type"]>(
    what: Work["what"],
    request: Request,
    answer: T,
    text: string,
  ): Promise<Answer<T> | null> {
    const slot = slots[what];
    const signal = slot.next();
    setWork({ what, text, done: 0, total: 0, waiting: null });
    const ending = await runRequest(source, request, answer, {
      signal,
      first: true,
      onProgress: (progress) => setWork({ what, ...progress, text: progress.text ?? text }),
    });
    const message = ending.kind === "answered" ? ending.message : null;
    if (message !== null) setFailure(null);
    else if (ending.kind === "failed") fail(ending.error);
    else if (ending.kind === "answered" && !signal.aborted) fail(stoppedAnswering());
    if (slot.isNewest(signal) && work()?.what === what) setWork(null);
    return message;
  }

  function fail(error: unknown): void {
    setFailure(failureOf(error));
  }

  /** Cancels the work in progress and returns it; null if there is none. */
  function cancel(): Work | null {
    const now = work();
    if (now === null) return null;
    slots[now.what].abort();
    setWork(null);
    return now;
  }

  return {
    work,
    failure,
    setFailure,
    fail,
    ask,
    cancel,
    abort: (what: Work["what"]) => slots[what].abort(),
    close: () => {
      for (const slot of Object.values(slots)) slot.abort();
    },
    /** Sets what `retry` does. */
    onRetry: (action: () => void) => {
      again = action;
    },
    retry: () => {
      setFailure(null);
      again();
    },
  };
}
