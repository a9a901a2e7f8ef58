/** Bytes of messages and blocks of exported files, made without the code under test. */

export type Json = Record<string, unknown>;

export interface Raw {
  readonly header: Json;
  readonly fields: Json;
  readonly body: Uint8Array;
}

/** Takes the bytes of a message apart. */
export function raw(bytes: Uint8Array): Raw {
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(Buffer.from(bytes.subarray(8, 8 + length)).toString()) as Json;
  const { message } = header.__metadata__ as { readonly message: string };
  return { header, fields: JSON.parse(message) as Json, body: bytes.slice(8 + length) };
}

export function bytesOf({ header, fields, body }: Raw): Uint8Array {
  const text = JSON.stringify({ ...header, __metadata__: { message: JSON.stringify(fields) } });
  const head = new TextEncoder().encode(text);
  const out = new Uint8Array(8 + head.length + body.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  out.set(body, 8 + head.length);
  return out;
}

/** A message without tensors. */
export function message(fields: Json): Uint8Array {
  return bytesOf({ header: {}, fields: { v: 1, id: "a", last: true, ...fields }, body: new Uint8Array() });
}

/** A message with tensors of bytes. */
export function messageWith(fields: Json, tensors: Readonly<Record<string, readonly number[]>>): Uint8Array {
  const header: Json = {};
  const body: number[] = [];
  for (const [name, numbers] of Object.entries(tensors)) {
    const start = body.length;
    body.push(...numbers);
    header[name] = { dtype: "U8", shape: [numbers.length], data_offsets: [start, body.length] };
  }
  return bytesOf({
    header,
    fields: { v: 1, id: "a", last: true, ...fields },
    body: Uint8Array.from(body),
  });
}

/** Messages as a block of an exported file, before it is written in base64. */
export async function gzipped(...messages: readonly Uint8Array[]): Promise<Buffer> {
  const framed = messages.map((bytes) => {
    const frame = new Uint8Array(8 + bytes.length);
    new DataView(frame.buffer).setBigUint64(0, BigInt(bytes.length), true);
    frame.set(bytes, 8);
    return frame;
  });
  const packed = new Blob(framed).stream().pipeThrough(new CompressionStream("gzip"));
  return Buffer.from(await new Response(packed).arrayBuffer());
}
