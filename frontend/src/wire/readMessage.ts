/** The one function that parses messages and checks all of them. */

import { checkFields } from "./messageFields";
import { checkParts } from "./messageParts";
import { type Message, VERSION } from "./messages";
import { DamagedError, decode } from "./safetensors";

const LONGEST_NAME = 40;

/** Parses a message. Throws `DamagedError` unless it is a complete message of this version whose parts fit each other. */
export function readMessage(bytes: Uint8Array): Message {
  const { fields, tensors } = decode(bytes);
  if (fields.v !== VERSION) {
    const found = String(fields.v).slice(0, LONGEST_NAME);
    throw new DamagedError(`This page reads version ${VERSION} of the messages; got version ${found}.`);
  }
  checkFields(fields);
  const message = { ...fields, last: fields.last === true, tensors } as unknown as Message;
  checkParts(message);
  return message;
}
