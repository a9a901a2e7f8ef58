import { DamagedError } from "./safetensors";

/** No message of attnscope is larger; a length above it is damage, not a message. */
const MAX_MESSAGE_BYTES = 2 ** 31;

/** The messages of a stream as they arrive: each is 8 bytes of length, little endian, then that many bytes. */
export async function* frames(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  let chunks: Uint8Array[] = [];
  let held = 0;

  const take = (count: number): Uint8Array => {
    const out = new Uint8Array(count);
    let filled = 0;
    while (filled < count) {
      const chunk = chunks[0];
      const part = chunk.subarray(0, count - filled);
      out.set(part, filled);
      filled += part.length;
      if (part.length === chunk.length) chunks.shift();
      else chunks[0] = chunk.subarray(part.length);
    }
    held -= count;
    return out;
  };

  const fill = async (count: number): Promise<boolean> => {
    while (held < count) {
      const { done, value } = await reader.read();
      if (done) return false;
      chunks.push(value);
      held += value.length;
    }
    return true;
  };

  try {
    for (;;) {
      if (!(await fill(8))) break;
      const length = Number(new DataView(take(8).buffer).getBigUint64(0, true));
      if (length > MAX_MESSAGE_BYTES)
        throw new DamagedError(`A message claims ${length} bytes; none is that large.`);
      if (!(await fill(length))) throw endedInside();
      yield take(length);
    }
    if (held > 0) throw endedInside();
  } finally {
    chunks = [];
    await reader.cancel();
  }
}

function endedInside(): DamagedError {
  return new DamagedError("The stream ended inside a message.");
}
