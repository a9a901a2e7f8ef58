/** The blocks of an exported file: base64 of gzip of the stream of messages that a server would send. */

import { frames } from "../wire/frames";
import type { Message } from "../wire/messages";
import { readMessage } from "../wire/readMessage";
import { DamagedError } from "../wire/safetensors";

/** Yields the messages of a block. Throws `DamagedError`. */
export async function* messagesOf(block: string): AsyncGenerator<Message> {
  const packed = new Blob([fromBase64(block)]).stream();
  try {
    for await (const bytes of frames(packed.pipeThrough(new DecompressionStream("gzip")))) {
      yield readMessage(bytes);
    }
  } catch (cause) {
    throw cause instanceof DamagedError ? cause : damaged(cause); // of a DecompressionStream
  }
}

function damaged(cause: unknown): DamagedError {
  return new DamagedError("This file is damaged: a part of it cannot be decompressed.", { cause });
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  let characters: string;
  try {
    characters = atob(text);
  } catch (cause) {
    throw damaged(cause);
  }
  const bytes = new Uint8Array(characters.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = characters.charCodeAt(at);
  return bytes;
}
