/** What went wrong, as the page tells it. */

import { DisconnectedError, HostError } from "../source/source";

export interface Failure {
  readonly sentence: string;
  readonly disconnected: boolean;
  /** Why the host refused, as docs/reference/wire.md names it; null where it did not. */
  readonly code: string | null;
  /** The tokens that a text may be cut to which is too long. */
  readonly fits: number | null;
}

/** A failure in the page's own words. */
export function failureFrom(sentence: string): Failure {
  return { sentence, disconnected: false, code: null, fits: null };
}

/** A failure as the host or the way to it told it. */
export function failureOf(error: unknown): Failure {
  return {
    sentence: sentenceOf(error),
    disconnected: error instanceof DisconnectedError,
    code: error instanceof HostError ? error.code : null,
    fits: error instanceof HostError ? error.fits : null,
  };
}

/** What an error says. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
