/**
 * Decodes safetensors bytes into an object and typed arrays. Everything that the header claims is checked against the actual
 * bytes before anything is allocated. The buffer may be a view into a larger one.
 */

export interface Tensor {
  readonly shape: readonly number[];
  readonly data: TensorData;
}

export type TensorData = Float32Array | Int32Array | Int8Array | Uint8Array | Uint16Array;

export interface Decoded {
  readonly fields: Record<string, unknown>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** A message is damaged: its bytes do not match what it claims. */
export class DamagedError extends Error {
  override readonly name = "DamagedError";
}

const MAX_HEADER_BYTES = 64 * 2 ** 20;
const ITEM_BYTES: ReadonlyMap<unknown, number> = new Map([
  ["F32", 4],
  ["I32", 4],
  ["U8", 1],
  ["I8", 1],
  ["F16", 2],
]);
const LONGEST_NAME = 40;

export function decode(bytes: Uint8Array): Decoded {
  if (bytes.byteLength < 8)
    throw new DamagedError(`A message must have at least 8 bytes; got ${bytes.byteLength}.`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > bytes.byteLength - 8 || length > MAX_HEADER_BYTES) {
    throw new DamagedError(
      `The message is truncated: its header claims ${length} bytes, but only ${bytes.byteLength - 8} follow.`,
    );
  }
  const header = parseObject(new TextDecoder().decode(bytes.subarray(8, 8 + length)), "header");
  const metadata = header.__metadata__;
  const text = isObject(metadata) ? metadata.message : undefined;
  if (typeof text !== "string")
    throw new DamagedError("The header of the message has no `message` metadata.");
  const body = bytes.subarray(8 + length);
  const tensors = new Map<string, Tensor>();
  for (const [name, entry] of Object.entries(header)) {
    if (name !== "__metadata__") tensors.set(name, tensor(name, entry, body));
  }
  return { fields: parseObject(text, "message"), tensors };
}

function tensor(fullName: string, entry: unknown, body: Uint8Array): Tensor {
  const name = fullName.slice(0, LONGEST_NAME);
  if (!isObject(entry)) throw new DamagedError(`Tensor ${name} has an invalid header entry.`);
  const { dtype, shape, data_offsets: offsets } = entry;
  const item = ITEM_BYTES.get(dtype);
  if (item === undefined) throw new DamagedError(`Tensor ${name} has the unsupported type ${said(dtype)}.`);
  if (!isSizes(shape) || !isSizes(offsets) || offsets.length !== 2) {
    throw new DamagedError(`Tensor ${name} has an invalid shape or invalid offsets.`);
  }
  const [begin, end] = offsets as [number, number];
  const bytes = shape.reduce((product, size) => product * size, item);
  if (begin > end || end > body.byteLength || end - begin !== bytes) {
    throw new DamagedError(`Tensor ${name} claims bytes ${begin} to ${end}; its shape needs ${bytes} bytes.`);
  }
  return { shape, data: numbers(dtype as string, body.subarray(begin, end), item) };
}

/** Views the bytes as numbers, in place if they are aligned, else as a copy. float16 becomes float32. */
function numbers(dtype: string, bytes: Uint8Array, item: number): TensorData {
  if (dtype === "U8") return bytes;
  if (dtype === "I8") return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const source = bytes.byteOffset % item === 0 ? bytes : bytes.slice();
  const count = source.byteLength / item;
  if (dtype === "F32") return new Float32Array(source.buffer, source.byteOffset, count);
  if (dtype === "I32") return new Int32Array(source.buffer, source.byteOffset, count);
  return fromHalf(new Uint16Array(source.buffer, source.byteOffset, count));
}

let halves: Float32Array | undefined;

/** Converts float16 bit patterns to float32, using a table of all 65,536 patterns. */
export function fromHalf(bits: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 65536 }, (_, pattern) => half(pattern));
  const table = halves;
  const out = new Float32Array(bits.length);
  for (let index = 0; index < bits.length; index++) out[index] = table[bits[index]];
  return out;
}

function half(pattern: number): number {
  const sign = pattern & 0x8000 ? -1 : 1;
  const exponent = (pattern >> 10) & 31;
  const fraction = pattern & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function parseObject(text: string, what: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new DamagedError(`The ${what} is not JSON.`, { cause });
  }
  if (!isObject(value)) throw new DamagedError(`The ${what} is not a JSON object.`);
  return value;
}

function said(value: unknown): string {
  return typeof value === "string" ? value.slice(0, LONGEST_NAME) : typeof value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}
