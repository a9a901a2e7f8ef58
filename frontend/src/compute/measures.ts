/** Measures of every head of a stack, with and without attention sinks. */

import type { OverviewMessage } from "../wire/messages";
import { DamagedError, type Tensor } from "../wire/safetensors";

interface Place {
  readonly layer: number;
  readonly head: number;
}

/** A number for each head; NaN if it is undefined or not loaded. */
export type HeadValue = (place: Place) => number;

export class Measured {
  readonly names: readonly string[];
  readonly #all = new Map<number, Float32Array>();
  readonly #offSink = new Map<number, Float32Array>();
  readonly #heads = new Map<number, number>();
  readonly #sorted = new Map<string, Float64Array>();

  constructor(messages: Iterable<OverviewMessage>) {
    let names: readonly string[] = [];
    for (const message of messages) {
      if (message.measures === undefined) continue;
      names = message.measures;
      this.#heads.set(message.layer, message.heads);
      this.#all.set(message.layer, values(message, "measures"));
      this.#offSink.set(message.layer, values(message, "measures_off_sink"));
    }
    this.names = names;
  }

  value(name: string, offSink: boolean): HeadValue {
    const at = this.names.indexOf(name);
    const layers = offSink ? this.#offSink : this.#all;
    return ({ layer, head }) => {
      const found = layers.get(layer);
      const heads = this.#heads.get(layer) ?? 0;
      return at < 0 || found === undefined || head >= heads ? Number.NaN : found[at * heads + head];
    };
  }

  /** The rank of a value among all heads, 1 for the largest, and the number of heads. */
  rank(name: string, offSink: boolean, value: number): { readonly rank: number; readonly among: number } {
    const sorted = this.#sortedOf(name, offSink);
    let [low, high] = [0, sorted.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sorted[middle] > value) low = middle + 1;
      else high = middle;
    }
    return { rank: low + 1, among: sorted.length };
  }

  #sortedOf(name: string, offSink: boolean): Float64Array {
    const key = `${name} ${offSink}`;
    let sorted = this.#sorted.get(key);
    if (sorted === undefined) {
      sorted = Float64Array.from(known(this.value(name, offSink), this.#heads))
        .sort()
        .reverse();
      this.#sorted.set(key, sorted);
    }
    return sorted;
  }
}

/** The defined values, in head order. */
export function known(value: HeadValue, heads: Iterable<readonly [number, number]>): readonly number[] {
  const found: number[] = [];
  for (const [layer, count] of heads) {
    for (let head = 0; head < count; head++) {
      const now = value({ layer, head });
      if (!Number.isNaN(now)) found.push(now);
    }
  }
  return found;
}

function values(message: OverviewMessage, name: string): Float32Array {
  const tensor: Tensor | undefined = message.tensors.get(name);
  const wanted = `${message.measures?.length ?? 0} × ${message.heads}`;
  if (!(tensor?.data instanceof Float32Array) || tensor.shape.join(" × ") !== wanted) {
    const got = tensor?.shape.join(" × ") ?? "none";
    throw new DamagedError(
      `The \`${name}\` of layer ${message.layer} must have shape ${wanted}; got ${got}.`,
    );
  }
  return tensor.data;
}
