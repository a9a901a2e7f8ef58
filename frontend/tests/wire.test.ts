import { describe, expect, it } from "vitest";
import { frames } from "../src/wire/frames";
import { readMessage } from "../src/wire/readMessage";
import { DamagedError, decode, fromHalf } from "../src/wire/safetensors";
import { golden, goldenBytes, NAMES } from "./golden";

/** The bytes inside a larger buffer, `shift` from its start. */
function shifted(bytes: Uint8Array, shift: number): Uint8Array {
  const larger = new Uint8Array(bytes.length + shift + 3);
  larger.set(bytes, shift);
  return larger.subarray(shift, shift + bytes.length);
}

function framed(...messages: readonly Uint8Array[]): Uint8Array {
  const parts = messages.map((bytes) => {
    const part = new Uint8Array(8 + bytes.length);
    new DataView(part.buffer).setBigUint64(0, BigInt(bytes.length), true);
    part.set(bytes, 8);
    return part;
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function stream(bytes: Uint8Array, size: number): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream({
    pull(control) {
      if (at >= bytes.length) control.close();
      else control.enqueue(bytes.slice(at, at + size));
      at += size;
    },
  });
}

async function all(source: AsyncIterable<Uint8Array>): Promise<Uint8Array[]> {
  const found: Uint8Array[] = [];
  for await (const bytes of source) found.push(bytes);
  return found;
}

describe("a message", () => {
  it.each(NAMES)("holds what Python wrote: %s", (name) => {
    const { fields, tensors } = decode(goldenBytes(name));
    const expected = golden(name);
    expect(fields).toEqual(expected.fields);
    expect([...tensors.keys()].sort()).toEqual(Object.keys(expected.tensors).sort());
    for (const [key, tensor] of tensors) {
      expect(tensor.shape).toEqual(expected.tensors[key].shape);
      expect([...tensor.data]).toEqual(expected.tensors[key].values);
    }
  });

  it.each([1, 2, 3, 4, 5, 7])("reads the same %i bytes into a larger buffer", (shift) => {
    const bytes = goldenBytes("dense-sinks");
    const [here, there] = [decode(bytes), decode(shifted(bytes, shift))];
    for (const [key, tensor] of here.tensors)
      expect([...(there.tensors.get(key)?.data ?? [])]).toEqual([...tensor.data]);
  });

  it("is damaged wherever it is cut", () => {
    const bytes = goldenBytes("causal-gqa-half");
    for (const length of [0, 7, 8, 100, bytes.length - 1]) {
      expect(() => decode(bytes.subarray(0, length))).toThrow(DamagedError);
    }
  });

  it("with a header that claims more than there is, is refused before anything is read", () => {
    const bytes = goldenBytes("progress").slice();
    new DataView(bytes.buffer).setBigUint64(0, 2n ** 62n, true);
    expect(() => decode(bytes)).toThrow(/truncated/);
  });

  it("whose tensor claims bytes that its shape does not need is damaged", () => {
    const text = JSON.stringify({
      __metadata__: { message: '{"v":1,"id":"a","type":"cancel","found":true}' },
      x: { dtype: "F32", shape: [1000000000], data_offsets: [0, 4] },
    });
    const header = new TextEncoder().encode(text);
    const bytes = new Uint8Array(8 + header.length + 4);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
    bytes.set(header, 8);
    expect(() => decode(bytes)).toThrow(/claims bytes/);
  });

  it("of a later version is refused in a sentence that names it", () => {
    const text = Buffer.from(goldenBytes("progress")).toString("latin1").replace('\\"v\\":1', '\\"v\\":2');
    expect(() => readMessage(new Uint8Array(Buffer.from(text, "latin1")))).toThrow(/version 2/);
  });

  it("turns float16 into the same number", () => {
    const bits = new Uint16Array([0x0000, 0x3c00, 0xc000, 0x0001, 0x7bff, 0x7c00, 0x3555]);
    const expected = [0, 1, -2, 2 ** -24, 65504, Number.POSITIVE_INFINITY, 0.333251953125];
    expect([...fromHalf(bits)]).toEqual(expected);
  });
});

describe("a stream of messages", () => {
  it.each([1, 3, 8, 1000, 100000])("gives each message whole from pieces of %i bytes", async (size) => {
    const messages = [goldenBytes("progress"), goldenBytes("packed"), goldenBytes("key-bias")];
    expect(await all(frames(stream(framed(...messages), size)))).toEqual(messages);
  });

  it("that ends inside a message is damaged", async () => {
    const bytes = framed(goldenBytes("progress"));
    await expect(all(frames(stream(bytes.subarray(0, bytes.length - 1), 64)))).rejects.toThrow(
      /ended in the middle/,
    );
    await expect(all(frames(stream(bytes.subarray(0, 5), 64)))).rejects.toThrow(/ended in the middle/);
  });
});
