/** The value vectors of one head, and the norms of its output. Pure. */

import type { ValuesMessage } from "../wire/messages";
import { DamagedError, type Tensor } from "../wire/safetensors";

export interface HeadValues {
  readonly head: number;
  readonly keys: number;
  readonly dim: number;
  /** [key, dim] */
  readonly v: Float32Array;
  /** ‖f(x_j)‖ of every key: the norm of its value vector after the head's part of W_O; null if unknown. */
  readonly transformed: Float32Array | null;
  /** The norm of the head output for every query; null if unknown. */
  readonly outputs: Float32Array | null;
  /** Why the norms are unknown. */
  readonly note: string | null;
}

/** Reads one head from a message and checks every shape. Heads of a query group share one array of value vectors. */
export function headValues(message: ValuesMessage, head: number): HeadValues {
  const { heads, kv_heads: groups, queries, keys, v_dim: dim } = message;
  const cut = (name: string, rows: number, of: number, size: number): Float32Array | null => {
    const tensor: Tensor | undefined = message.tensors.get(name);
    if (tensor === undefined) return null;
    if (!(tensor.data instanceof Float32Array) || tensor.data.length !== of * size) {
      throw new DamagedError(
        `The value tensor \`${name}\` must have shape ${of} × ${size}; got ${tensor.shape.join(" × ")}.`,
      );
    }
    return tensor.data.subarray(rows * size, (rows + 1) * size);
  };
  const v = cut("v", Math.floor((head * groups) / heads), groups, keys * dim);
  if (v === null) throw new DamagedError("The value response lacks the tensor `v`.");
  return {
    ...{ head, keys, dim, v },
    transformed: cut("transformed_norm", head, heads, keys),
    outputs: cut("output_norm", head, heads, queries),
    note: message.note,
  };
}

/** α_j ‖f(x_j)‖: how much each key contributes to the head output (Kobayashi et al. 2020). */
export function weighted(weights: ArrayLike<number>, transformed: Float32Array): Float32Array {
  return Float32Array.from(transformed, (norm, key) => norm * weights[key]);
}
