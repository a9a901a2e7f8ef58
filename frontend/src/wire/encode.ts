/** Encodes messages with bytes as safetensors, for requests with an image or a file. */

/** Encodes a message whose tensors are all uint8. */
export function encodeMessage(
  fields: Readonly<Record<string, unknown>>,
  tensors: Readonly<Record<string, Uint8Array>>,
): Uint8Array<ArrayBuffer> {
  let end = 0;
  const header: Record<string, unknown> = { __metadata__: { message: JSON.stringify(fields) } };
  for (const [name, { byteLength }] of Object.entries(tensors)) {
    header[name] = { dtype: "U8", shape: [byteLength], data_offsets: [end, end + byteLength] };
    end += byteLength;
  }
  const text = new TextEncoder().encode(JSON.stringify(header));
  const out = new Uint8Array(8 + text.byteLength + end);
  new DataView(out.buffer).setBigUint64(0, BigInt(text.byteLength), true);
  out.set(text, 8);
  let at = 8 + text.byteLength;
  for (const bytes of Object.values(tensors)) {
    out.set(bytes, at);
    at += bytes.byteLength;
  }
  return out;
}
