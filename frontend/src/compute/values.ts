/** The value side of one head: what every key has to give, and how long what the head passes on is. Pure. */

import type { ValuesMessage } from "../wire/messages";
import { DamagedError, type Tensor } from "../wire/safetensors";

export interface HeadValues {
  readonly head: number;
  readonly keys: number;
  readonly dim: number;
  /** [key, dim] */
  readonly v: Float32Array;
  /** ‖f(x_j)‖ of every key: its value's length after the head's part of W_O; null where that is not known. */
  readonly transformed: Float32Array | null;
  /** The length of what the head passes on, for every query; null where that is not known. */
  readonly outputs: Float32Array | null;
  /** Why lengths are not known. */
  readonly note: string | null;
}

/** One head's part of a message, with every shape checked. Heads of a group share one array of values. */
export function headValues(message: ValuesMessage, head: number): HeadValues {
  const { heads, kv_heads: groups, queries, keys, v_dim: dim } = message;
  const cut = (name: string, rows: number, of: number, size: number): Float32Array | null => {
    const tensor: Tensor | undefined = message.tensors.get(name);
    if (tensor === undefined) return null;
    if (!(tensor.data instanceof Float32Array) || tensor.data.length !== of * size) {
      throw new DamagedError(
        `The values' ${name} should hold ${of} × ${size} numbers; got ${tensor.shape.join(" × ")}.`,
      );
    }
    return tensor.data.subarray(rows * size, (rows + 1) * size);
  };
  const v = cut("v", Math.floor((head * groups) / heads), groups, keys * dim);
  if (v === null) throw new DamagedError("The values came without v.");
  return {
    ...{ head, keys, dim, v },
    transformed: cut("transformed_norm", head, heads, keys),
    outputs: cut("output_norm", head, heads, queries),
    note: message.note,
  };
}

/** α_j ‖f(x_j)‖: how much each key adds to the head's output (Kobayashi 2020). */
export function weighted(weights: ArrayLike<number>, transformed: Float32Array): Float32Array {
  return Float32Array.from(transformed, (norm, key) => norm * weights[key]);
}
