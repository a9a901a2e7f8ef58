/** Weights of single edges in any pass, requested once per edge and kept. */

import { createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { EdgeMessage } from "../wire/messages";
import { keepNewest } from "./keepNewest";
import { runRequest } from "./request";

/** Edges in the cache. */
const CACHE_SIZE = 200;

export interface EdgePlace {
  readonly stack: string;
  readonly layer: number;
  readonly head: number;
  readonly query: number;
  readonly key: number;
}

export function createEdgeWeights(source: Source, onFailure: (error: unknown) => void) {
  const cache = new Map<string, EdgeMessage>();
  const asked = new Set<string>();
  const [version, setVersion] = createSignal(0);
  const stop = new AbortController();

  async function ask(name: string, trace: string, { stack, query, key }: EdgePlace): Promise<void> {
    asked.add(name);
    const request = { type: "edge", trace, stack, query, key } as const;
    const ending = await runRequest(source, request, "edge", { signal: stop.signal, first: true });
    asked.delete(name);
    if (ending.kind === "failed") onFailure(ending.error);
    if (ending.kind !== "answered" || ending.message === null) return;
    keepNewest(cache, name, ending.message, CACHE_SIZE);
    setVersion((count) => count + 1);
  }

  /** The weight of an edge in a pass; null until it has arrived. Reactive. */
  function weight(trace: string, place: EdgePlace): number | null {
    void version();
    const name = `${trace} ${place.stack} ${place.query} ${place.key}`;
    const message = cache.get(name);
    if (message === undefined) {
      if (!asked.has(name)) void ask(name, trace, place);
      return null;
    }
    const [layers, heads, weights] = ["layer", "head", "weight"].map(
      (part) => message.tensors.get(part)?.data,
    );
    const at =
      layers?.findIndex((layer, index) => Number(layer) === place.layer && heads?.[index] === place.head) ??
      -1;
    return at < 0 ? null : Number(weights?.[at]);
  }

  return { weight, close: () => stop.abort() };
}
