import { DamagedError } from "./safetensors";

/** Upper limit for a message; a larger length means that the stream is damaged. */
const MAX_MESSAGE_BYTES = 2 ** 30;

/** Yields the messages of a stream as they arrive. Each is an 8-byte little-endian length, then that many bytes. */
export async function* frames(
  stream: ReadableStream<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reader = stream.getReader();
  let chunks: Uint8Array[] = [];
  let available = 0;

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
    available -= count;
    return out;
  };

  const fill = async (count: number): Promise<boolean> => {
    while (available < count) {
      const { done, value } = await reader.read();
      if (done) return false;
      chunks.push(value);
      available += value.length;
    }
    return true;
  };

  try {
    for (;;) {
      if (!(await fill(8))) break;
      const length = Number(new DataView(take(8).buffer).getBigUint64(0, true));
      if (length > MAX_MESSAGE_BYTES)
        throw new DamagedError(`A message claims ${length} bytes; the maximum is ${MAX_MESSAGE_BYTES}.`);
      if (!(await fill(length))) throw truncated();
      yield take(length);
    }
    if (available > 0) throw truncated();
  } finally {
    chunks = [];
    await reader.cancel();
  }
}

function truncated(): DamagedError {
  return new DamagedError("The stream ended in the middle of a message.");
}
