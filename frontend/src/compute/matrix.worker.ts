/** Worker that computes rows of attention matrices, or of the difference of two, as bytes. */

import type { Correspondence } from "./differenceLayer";
import { Kernel } from "./kernel";
import type { LayerData } from "./layerData";
import { differenceCells, type Rows, type TileCells, type TilePlace, weightCells } from "./tileCells";

export type ToMatrixWorker =
  | { readonly name: string; readonly layer: LayerData }
  | { readonly forget: string }
  | {
      readonly id: number;
      readonly name: string;
      /** What is subtracted; null for weights. */
      readonly minus: { readonly name: string; readonly correspondence: Correspondence } | null;
      readonly place: TilePlace;
    };

export interface FromMatrixWorker extends TileCells {
  readonly id: number;
}

const kernels = new Map<string, Kernel>();

function rowsOf(name: string): Rows {
  const kernel = kernels.get(name);
  if (kernel === undefined) throw new Error("A tile was requested before its layer was sent.");
  return { keys: kernel.layer.keys, fill: (head, query, out) => kernel.attention(head, query, out) };
}

self.onmessage = ({ data }: MessageEvent<ToMatrixWorker>) => {
  if ("layer" in data) {
    kernels.set(data.name, new Kernel(data.layer));
    return;
  }
  if ("forget" in data) {
    kernels.delete(data.forget);
    return;
  }
  const { id, name, minus, place } = data;
  const found =
    minus === null
      ? weightCells(rowsOf(name), place)
      : differenceCells(rowsOf(name), rowsOf(minus.name), minus.correspondence, place);
  const answer: FromMatrixWorker = { id, ...found };
  const { cells, pattern } = found;
  self.postMessage(answer, { transfer: pattern === null ? [cells.buffer] : [cells.buffer, pattern.buffer] });
};
