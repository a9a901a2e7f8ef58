/** One request to the source: its answers and its progress as they come, and how it ended. */

import { HostError, type Source } from "../source/source";
import type { Message, Request } from "../wire/messages";

export type Answer<T extends Message["type"]> = Extract<Message, { type: T }>;

export type Ending<T extends Message["type"]> =
  /** `message` is the last answer; null where the host said no more without one. */
  | { readonly kind: "answered"; readonly message: Answer<T> | null }
  /** By the page, which wants something else now, or by the host. */
  | { readonly kind: "cancelled"; readonly by: "page" | "host"; readonly error: unknown }
  | { readonly kind: "failed"; readonly error: unknown };

/** How far a request is. While nobody works on it, `waiting` says why and there is no `text`. */
export interface Progress {
  readonly text: string | null;
  readonly done: number;
  readonly total: number;
  readonly waiting: string | null;
}

export interface RequestOptions<T extends Message["type"]> {
  /** Aborting it cancels the request; without one the request runs to its end. */
  readonly signal?: AbortSignal;
  /** Whether the first answer is all that is wanted. */
  readonly first?: boolean;
  readonly onAnswer?: (message: Answer<T>) => void;
  readonly onProgress?: (progress: Progress) => void;
}

/** Runs a request. Never throws: what went wrong is in the ending. */
export async function runRequest<T extends Message["type"]>(
  source: Source,
  request: Request,
  answer: T,
  { signal = new AbortController().signal, first = false, onAnswer, onProgress }: RequestOptions<T> = {},
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
      }
    }
    return { kind: "answered", message: last };
  } catch (error) {
    if (signal.aborted) return { kind: "cancelled", by: "page", error };
    const byHost = error instanceof HostError && error.code === "cancelled";
    return byHost ? { kind: "cancelled", by: "host", error } : { kind: "failed", error };
  }
}

/** Requests of which only the newest counts: each aborts the one before it. */
export class RequestSlot {
  #running: AbortController | null = null;

  /** Aborts what runs here; the signal is for the request that takes its place. */
  next(): AbortSignal {
    this.abort();
    this.#running = new AbortController();
    return this.#running.signal;
  }

  abort(): void {
    this.#running?.abort();
  }

  /** Whether no other request took the place of the one with this signal. */
  isNewest(signal: AbortSignal): boolean {
    return this.#running?.signal === signal;
  }
}
