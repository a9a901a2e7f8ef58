/** Failures as the page shows them. */

import { DisconnectedError, HostError } from "../source/source";

export interface Failure {
  readonly sentence: string;
  readonly disconnected: boolean;
  /** The error code of the host, as in docs/reference/wire.md; null if the error did not come from the host. */
  readonly code: string | null;
  /** For a text that is too long: how many tokens it can be truncated to. */
  readonly fits: number | null;
}

/** A failure that the page itself reports. */
export function failureFrom(sentence: string): Failure {
  return { sentence, disconnected: false, code: null, fits: null };
}

/** A failure of the host or of the connection to it. */
export function failureOf(error: unknown): Failure {
  return {
    sentence: sentenceOf(error),
    disconnected: error instanceof DisconnectedError,
    code: error instanceof HostError ? error.code : null,
    fits: error instanceof HostError ? error.fits : null,
  };
}

/** The message of an error. */
export function sentenceOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
