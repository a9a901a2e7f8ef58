/** One request to the source: its answers and progress as they arrive, and how it ended. */

import { HostError, type Source } from "../source/source";
import type { Message, Request } from "../wire/messages";

export type Answer<T extends Message["type"]> = Extract<Message, { type: T }>;

export type Ending<T extends Message["type"]> =
  /** `message` is the last answer; null if the host sent none. */
  | { readonly kind: "answered"; readonly message: Answer<T> | null }
  /** Canceled by the page, because something else is needed now, or by the host. */
  | { readonly kind: "cancelled"; readonly by: "page" | "host"; readonly error: unknown }
  | { readonly kind: "failed"; readonly error: unknown };

/** Progress of a request. While it is queued, `waiting` says why and `text` is null. */
export interface Progress {
  readonly text: string | null;
  readonly done: number;
  readonly total: number;
  readonly waiting: string | null;
}

export interface RequestOptions<T extends Message["type"]> {
  /** Cancels the request when aborted. */
  readonly signal?: AbortSignal;
  /** Whether to stop after the first answer. */
  readonly first?: boolean;
  readonly onAnswer?: (message: Answer<T>) => void;
  /** Called with messages of other types, such as the tokens of a continuation. */
  readonly onPart?: (message: Message) => void;
  readonly onProgress?: (progress: Progress) => void;
}

/** Runs a request. Never throws: failures are part of the result. */
export async function runRequest<T extends Message["type"]>(
  source: Source,
  request: Request,
  answer: T,
  {
    signal = new AbortController().signal,
    first = false,
    onAnswer,
    onPart,
    onProgress,
  }: RequestOptions<T> = {},
): Promise<Ending<T>> {
  let last: Answer<T> | null = null;
  try {
    for await (const message of source.request(request, { signal })) {
      if (message.type === answer) {
        last = message as Answer<T>;
        onAnswer?.(last);
        if (first) break;
      } else if (message.type === "progress") {
        const { stage, text, done, total } = message;
        onProgress?.(
          stage === "wait"
            ? { text: null, done: 0, total: 0, waiting: text || null }
            : { text, done, total, waiting: null },
        );
      } else {
        onPart?.(message);
      }
    }
    return { kind: "answered", message: last };
  } catch (error) {
    if (signal.aborted) return { kind: "cancelled", by: "page", error };
    const byHost = error instanceof HostError && error.code === "cancelled";
    return byHost ? { kind: "cancelled", by: "host", error } : { kind: "failed", error };
  }
}

/** A slot for one request at a time: a new request aborts the previous one. */
export class RequestSlot {
  #running: AbortController | null = null;

  /** Aborts the running request and returns the signal for its replacement. */
  next(): AbortSignal {
    this.abort();
    this.#running = new AbortController();
    return this.#running.signal;
  }

  abort(): void {
    this.#running?.abort();
  }

  /** Whether the request with this signal has not been replaced. */
  isNewest(signal: AbortSignal): boolean {
    return this.#running?.signal === signal;
  }
}
