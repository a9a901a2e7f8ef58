/** Decoded layers, up to a number of bytes: the oldest is dropped first. */

import type { Message } from "../wire/messages";

type LayerMessage = Extract<Message, { type: "layer" }>;

const MAX_BYTES = 128 * 2 ** 20;

export class LayerCache {
  readonly #layers = new Map<string, LayerMessage>();
  #bytes = 0;

  get(name: string): LayerMessage | undefined {
    return this.#layers.get(name);
  }

  /** Stores a layer and returns it. */
  keep(name: string, layer: LayerMessage): LayerMessage {
    this.#layers.set(name, layer);
    this.#bytes += sizeOf(layer);
    for (const [oldest, one] of this.#layers) {
      if (this.#bytes <= MAX_BYTES) break;
      this.#layers.delete(oldest);
      this.#bytes -= sizeOf(one);
    }
    return layer;
  }
}

function sizeOf(layer: LayerMessage): number {
  return [...layer.tensors.values()].reduce((sum, { data }) => sum + data.byteLength, 0);
}
