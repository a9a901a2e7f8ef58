/** Worker that computes rows of attention matrices as bytes. */

import { Kernel } from "./kernel";
import type { LayerData } from "./layerData";

export type ToMatrixWorker =
  | { readonly name: string; readonly layer: LayerData }
  | { readonly forget: string }
  | {
      readonly id: number;
      readonly name: string;
      readonly head: number;
      /** Ranges of queries and keys of the tile; ends are exclusive. */
      readonly queries: readonly [number, number];
      readonly keys: readonly [number, number];
    };

export interface FromMatrixWorker {
  readonly id: number;
  /** round(255·√α), query by query. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

const kernels = new Map<string, Kernel>();

self.onmessage = ({ data }: MessageEvent<ToMatrixWorker>) => {
  if ("layer" in data) {
    kernels.set(data.name, new Kernel(data.layer));
    return;
  }
  if ("forget" in data) {
    kernels.delete(data.forget);
    return;
  }
  const kernel = kernels.get(data.name);
  if (kernel === undefined) throw new Error("A tile was requested before its layer was sent.");
  const [first, end] = data.queries;
  const [left, right] = data.keys;
  const bytes = new Uint8Array((end - first) * (right - left));
  const row = new Float32Array(kernel.layer.keys);
  for (let query = first, at = 0; query < end; query++) {
    kernel.attention(data.head, query, row);
    for (let key = left; key < right; key++, at++) bytes[at] = Math.round(255 * Math.sqrt(row[key]));
  }
  const answer: FromMatrixWorker = { id: data.id, bytes };
  self.postMessage(answer, { transfer: [bytes.buffer] });
};
