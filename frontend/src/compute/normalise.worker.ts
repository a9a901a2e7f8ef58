/** Finds the normalisers of a layer's heads beside the main thread. */

import { Kernel, type LayerData } from "./kernel";

export type ToWorker = { readonly layer: LayerData } | { readonly head: number };
export interface FromWorker {
  readonly head: number;
  readonly normalisers: Float32Array;
}

let kernel: Kernel | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if ("layer" in data) {
    kernel = new Kernel(data.layer);
    return;
  }
  if (kernel === undefined) throw new Error("A head was asked for before its layer came.");
  const { queries, keys } = kernel.layer;
  const normalisers = new Float32Array(queries);
  const scratch = new Float32Array(keys);
  for (let query = 0; query < queries; query++)
    normalisers[query] = kernel.normaliser(data.head, query, scratch);
  const answer: FromWorker = { head: data.head, normalisers };
  self.postMessage(answer, { transfer: [normalisers.buffer] });
};
