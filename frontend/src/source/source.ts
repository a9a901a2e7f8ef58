import type { ErrorMessage, Message, Request } from "../wire/messages";

/** Something that answers requests: a local server, a notebook kernel, or the blocks inside an exported page. */
export interface Source {
  /** Yields the responses to `request`; the last one has `last: true`. Aborting the signal cancels the work. */
  request(request: Request, options: { readonly signal: AbortSignal }): AsyncIterable<Message>;
}

/** The host answered with an error; its message is meant for the user. */
export class HostError extends Error {
  override readonly name = "HostError";
  constructor(
    readonly code: string,
    message: string,
    /** For a text that is too long: how many tokens it can be truncated to. */
    readonly fits: number | null = null,
  ) {
    super(message);
  }
}

/** Converts an `error` message to an error. */
export function hostError({ code, message, fits }: ErrorMessage): HostError {
  return new HostError(code, message, fits ?? null);
}

/** The host cannot be reached. */
export class DisconnectedError extends Error {
  override readonly name = "DisconnectedError";
}

/** The error for a response that ends before its last message. */
export function stoppedAnswering(): DisconnectedError {
  return new DisconnectedError("attnscope stopped responding before the result was complete.");
}
