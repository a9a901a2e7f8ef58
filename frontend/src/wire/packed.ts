/** Layers as stored in an exported file: numbers rounded to whole steps, with their bytes in planes (docs/reference/wire.md). */

import type { LayerMessage } from "./messages";
import { DamagedError, type Tensor } from "./safetensors";

/** Unpacks a packed layer into an ordinary `layer` message; returns other layers unchanged. */
export function unpacked(message: LayerMessage): LayerMessage {
  if (message.packed === undefined) return message;
  const tensors = new Map(message.tensors);
  for (const name of message.packed) {
    const planes = tensors.get(`${name}_planes`);
    if (!(planes?.data instanceof Uint8Array)) throw new DamagedError(`The layer has no data for ${name}.`);
    const { shape, data } = planes;
    tensors.set(
      name,
      name === "attention" ? weights(message, shape, data) : vectors(message, name, shape, data),
    );
    for (const part of ["planes", "unit", "size", "mean"]) tensors.delete(`${name}_${part}`);
  }
  return { ...message, tensors };
}

/**
 * Unpacks q or k: zigzag-encoded integers [plane, head, dim, token], times a step per head and dimension, plus the mean of k.
 * A step is the head's unit times the dimension's size; the heads of a group share their sizes.
 */
function vectors(message: LayerMessage, name: string, shape: readonly number[], data: Uint8Array): Tensor {
  const [planes, heads, dim, tokens] = shape;
  const wanted = name === "q" ? [message.heads, message.queries] : [message.kv_heads, message.keys];
  if (shape.length !== 4 || !isPlanes(planes) || heads !== wanted[0] || tokens !== wanted[1]) {
    throw new DamagedError(`The layer's ${name} has the wrong shape.`);
  }
  const units = floats(message, `${name}_unit`, heads);
  const sizes = floats(message, `${name}_size`, message.kv_heads * dim);
  const mean = message.tensors.has(`${name}_mean`) ? floats(message, `${name}_mean`, heads * dim) : null;
  const plane = heads * dim * tokens;
  const values = new Float32Array(plane);
  for (let head = 0; head < heads; head++) {
    for (let n = 0; n < dim; n++) {
      const row = head * dim + n;
      const from = row * tokens;
      const add = mean?.[row] ?? 0;
      const step = units[head] * sizes[Math.floor((head * message.kv_heads) / heads) * dim + n];
      for (let token = 0; token < tokens; token++) {
        const zigzag = wide(data, from + token, plane, planes);
        const whole = zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
        values[(head * tokens + token) * dim + n] = whole * step + add;
      }
    }
  }
  return { shape: [heads, tokens, dim], data: values };
}

/** Unpacks weights: one byte each, or two in two planes; for a causal layer only those on and below the diagonal. */
function weights(message: LayerMessage, shape: readonly number[], data: Uint8Array): Tensor {
  const { heads, queries, keys } = message;
  const [planes, count] = shape;
  const below = queries * (keys - queries) + (queries * (queries + 1)) / 2;
  const expected = heads * (message.triangle ? below : queries * keys);
  if (shape.length !== 2 || !isPlanes(planes) || planes > 2 || count !== expected || expected < 0)
    throw new DamagedError(`The layer should have ${expected} weights; got ${count}.`);
  if (message.triangle && keys < queries)
    throw new DamagedError(`A triangle of weights needs as many keys as queries; got ${keys}.`);
  const values =
    planes === 1 ? new Uint8Array(heads * queries * keys) : new Uint16Array(heads * queries * keys);
  const length = (query: number) => (message.triangle ? Math.min(keys, query + 1 + keys - queries) : keys);
  let at = 0;
  for (let row = 0; row < heads * queries; row++) {
    const end = length(row % queries);
    for (let key = 0; key < end; key++) values[row * keys + key] = wide(data, at++, count, planes);
  }
  return { shape: [heads, queries, keys], data: values };
}

/** Whether a number's bytes are in so many planes that a double can hold it. */
function isPlanes(planes: number): boolean {
  return planes >= 1 && planes <= 6;
}

/** Reads a number whose bytes are in planes, lowest byte first. */
function wide(data: Uint8Array, at: number, plane: number, planes: number): number {
  let value = data[at];
  for (let p = 1, unit = 256; p < planes; p++, unit *= 256) value += data[p * plane + at] * unit;
  return value;
}

function floats(message: LayerMessage, name: string, count: number): Float32Array {
  const data = message.tensors.get(name)?.data;
  if (data instanceof Float32Array && data.length === count) return data;
  throw new DamagedError(`The layer's ${name} should have ${count} float32 numbers.`);
}
