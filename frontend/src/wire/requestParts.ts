/** The JSON fields of a request, and the bytes that are sent as its tensors. */

import type { Request } from "./messages";

export interface RequestParts {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly tensors: Readonly<Record<string, Uint8Array>>;
}

/** Divides a request into its JSON fields and its tensors. */
export function requestParts({ image, file, ...fields }: Request): RequestParts {
  return {
    fields,
    tensors: { ...(image === undefined ? {} : { image }), ...(file === undefined ? {} : { file }) },
  };
}
