/** The value vectors of a layer, requested only while they are shown. */

import { createSignal } from "solid-js";
import { HostError, type Source } from "../source/source";
import type { ValuesMessage } from "../wire/messages";
import { keepNewest } from "./keepNewest";
import { RequestSlot, runRequest } from "./request";

/** Layers in the cache. */
const CACHE_SIZE = 4;

/** The value vectors that were requested last. */
export interface LayerValues {
  readonly key: string;
  readonly message: ValuesMessage | null;
  /** Why they are unavailable; null while they are loading, or once they have arrived. */
  readonly refused: string | null;
}

export function createValues(source: Source, onFailure: (error: unknown) => void) {
  const [values, setValues] = createSignal<LayerValues | null>(null);
  const cache = new Map<string, LayerValues>();
  const slot = new RequestSlot();

  /** Shows the value vectors of a layer, from the cache or the source. */
  async function show(trace: string, stack: string, layer: number): Promise<void> {
    const key = `${trace} ${stack} ${layer}`;
    if (values()?.key === key) return;
    slot.abort();
    const known = cache.get(key);
    setValues(known ?? { key, message: null, refused: null });
    if (known !== undefined) return;
    const signal = slot.next();
    const settle = (found: LayerValues): void => {
      keepNewest(cache, key, found, CACHE_SIZE);
      if (!signal.aborted) setValues(found);
    };
    const ending = await runRequest(source, { type: "values", trace, stack, layer }, "values", {
      signal,
      onAnswer: (message) => settle({ key, message, refused: null }),
    });
    if (ending.kind === "answered") return;
    if (ending.kind === "cancelled" && ending.by === "page") return;
    if (ending.kind === "failed" && ending.error instanceof HostError) {
      settle({ key, message: null, refused: ending.error.message });
    } else {
      setValues(null);
      onFailure(ending.error);
    }
  }

  return { values, show, close: () => slot.abort() };
}
