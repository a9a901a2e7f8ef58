/** The tensors from which the page computes a layer: queries, keys, mask and bias. Pure. */

import type { LayerMessage } from "../wire/messages";
import { DamagedError, type Tensor, type TensorData } from "../wire/safetensors";

/** The parts of a layer message that the kernel needs; can be sent to a worker. */
export interface LayerData {
  readonly heads: number;
  readonly kvHeads: number;
  readonly queries: number;
  readonly keys: number;
  readonly dim: number;
  readonly scaling: number;
  readonly softcap: number | null;
  readonly q: Float32Array;
  readonly k: Float32Array;
  readonly kMean: Float32Array | null;
  readonly lo: Int32Array | null;
  readonly hi: Int32Array | null;
  readonly valid: Uint8Array | null;
  readonly bits: Uint8Array | null;
  readonly bitsPerHead: boolean;
  readonly biasKind: "relative" | "key" | "dense" | null;
  readonly bias: Float32Array | null;
  readonly biasPerHead: boolean;
  readonly sink: Float32Array | null;
  /** For an edited layer: rows [head, query] with their weights in `rows`, and the cut edges [head, query, key]. */
  readonly rowsAt?: Int32Array | null;
  readonly rows?: Float32Array | null;
  readonly cuts?: Int32Array | null;
  /** The maximum error of q · k, if the host measured it. */
  readonly dotError?: number;
}

/** Reads the tensors of a `layer` message in `qk` form, and checks every shape against the message. */
export function layerData(message: LayerMessage): LayerData {
  const { heads, kv_heads: kvHeads, queries, keys, qk_dim: dim } = message;
  const expect = <T extends TensorData>(
    kind: new (length: number) => T,
    name: string,
    ...shapes: number[][]
  ): T => {
    const tensor = message.tensors.get(name);
    return checked(tensor, kind, name, shapes);
  };
  const optional = <T extends TensorData>(
    kind: new (length: number) => T,
    name: string,
    ...shapes: number[][]
  ) => (message.tensors.has(name) ? expect(kind, name, ...shapes) : null);
  if (kvHeads < 1 || heads % kvHeads !== 0)
    throw new DamagedError(`${heads} query heads cannot be divided evenly among ${kvHeads} key heads.`);
  const bytes = Math.ceil(keys / 8);
  const bits = optional(Uint8Array, "mask_bits", [heads, queries, bytes], [1, queries, bytes]);
  const biasKind = message.bias?.kind ?? null;
  const biasShapes = {
    relative: [[heads, queries + keys - 1]],
    key: [[heads, keys]],
    dense: [
      [heads, queries, keys],
      [1, queries, keys],
    ],
  };
  const bias = biasKind === null ? null : expect(Float32Array, "bias", ...biasShapes[biasKind]);
  return {
    heads,
    kvHeads,
    queries,
    keys,
    dim,
    scaling: message.scaling,
    softcap: message.softcap,
    q: expect(Float32Array, "q", [heads, queries, dim]),
    k: expect(Float32Array, "k", [kvHeads, keys, dim]),
    kMean: optional(Float32Array, "k_mean", [kvHeads, dim]),
    lo: bits ? null : expect(Int32Array, "mask_lo", [queries]),
    hi: bits ? null : expect(Int32Array, "mask_hi", [queries]),
    valid: optional(Uint8Array, "mask_valid", [keys]),
    bits,
    bitsPerHead: bits !== null && message.tensors.get("mask_bits")?.shape[0] === heads,
    biasKind,
    bias,
    biasPerHead: biasKind !== "dense" || message.tensors.get("bias")?.shape[0] === heads,
    sink: message.sinks ? expect(Float32Array, "sink", [heads]) : null,
    rowsAt: optional(Int32Array, "rows_at", [countOf(message, "rows_at"), 2]),
    rows: optional(Float32Array, "rows_attention", [countOf(message, "rows_at"), keys]),
    cuts: optional(Int32Array, "cuts", [countOf(message, "cuts"), 3]),
    dotError: message.dot_error,
  };
}

function countOf(message: LayerMessage, name: string): number {
  return message.tensors.get(name)?.shape[0] ?? 0;
}

function checked<T extends TensorData>(
  tensor: Tensor | undefined,
  kind: new (length: number) => T,
  name: string,
  shapes: readonly (readonly number[])[],
): T {
  const shape = tensor?.shape.join(" × ");
  if (tensor?.data instanceof kind && shapes.some((wanted) => wanted.join(" × ") === shape))
    return tensor.data;
  const wanted = shapes.map((sizes) => sizes.join(" × ")).join(" or ");
  throw new DamagedError(`The layer's \`${name}\` must have shape ${wanted}; got ${shape ?? "none"}.`);
}

/** The layer with some keys and any learned sink masked, so that the remaining weights of each row sum to 1. */
export function withoutKeys(layer: LayerData, hidden: ReadonlySet<number>): LayerData {
  const valid = layer.valid?.slice() ?? new Uint8Array(layer.keys).fill(1);
  for (const key of hidden) valid[key] = 0;
  const rows = layer.rows == null ? null : renormalized(layer.rows, layer.keys, hidden);
  return { ...layer, valid, sink: null, rows };
}

/** Rows of weights without some keys, renormalized if any weight remains. */
function renormalized(rows: Float32Array, keys: number, hidden: ReadonlySet<number>): Float32Array {
  const kept = rows.map((weight, at) => (hidden.has(at % keys) ? 0 : weight));
  for (let from = 0; from < kept.length; from += keys) {
    const row = kept.subarray(from, from + keys);
    const sum = row.reduce((total, weight) => total + weight, 0);
    if (sum > 0) for (let key = 0; key < keys; key++) row[key] /= sum;
  }
  return kept;
}

/** The bias of one score; 0 if the layer has none. */
export function biasAt(layer: LayerData, head: number, query: number, key: number): number {
  const { bias, biasKind, biasPerHead, queries, keys } = layer;
  if (bias === null) return 0;
  if (biasKind === "relative") return bias[head * (queries + keys - 1) + key - query + queries - 1];
  if (biasKind === "key") return bias[head * keys + key];
  return bias[((biasPerHead ? head : 0) * queries + query) * keys + key];
}

const HALF_ROUNDING = 2 ** -11;
const SINGLE_ROUNDING = 2 ** -24;

/** The largest relative error of a number in q and k. Keys with their mean subtracted are sent in half precision. */
export function roundingOf(data: LayerData): number {
  return data.kMean === null ? SINGLE_ROUNDING : HALF_ROUNDING;
}
