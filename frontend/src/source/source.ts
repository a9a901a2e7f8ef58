import type { ErrorMessage, Message, Request } from "../wire/messages";

/** Whoever answers requests: a local server, a notebook's kernel, or the blocks inside an exported page. */
export interface Source {
  /** The responses to `request`, one after another, the last with `last: true`. Aborting the signal cancels the work. */
  request(request: Request, options: { readonly signal: AbortSignal }): AsyncIterable<Message>;
}

/** The host said no, in one sentence for a person. */
export class HostError extends Error {
  override readonly name = "HostError";
  constructor(
    readonly code: string,
    message: string,
    /** Of a text that is too long: the tokens that it may be cut to. */
    readonly fits: number | null = null,
  ) {
    super(message);
  }
}

/** An `error` message as what is thrown. */
export function refusal({ code, message, fits }: ErrorMessage): HostError {
  return new HostError(code, message, fits ?? null);
}

/** The host cannot be reached at all. */
export class DisconnectedError extends Error {
  override readonly name = "DisconnectedError";
}

/** What is told of a host whose answer ends before its last message. */
export function stoppedAnswering(): DisconnectedError {
  return new DisconnectedError("attnscope stopped answering in the middle.");
}
