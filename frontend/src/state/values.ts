/** The value side of a layer, asked for only while somebody looks at it. */

import { createSignal } from "solid-js";
import { HostError, type Source } from "../source/source";
import type { ValuesMessage } from "../wire/messages";
import { keepNewest } from "./keepNewest";
import { RequestSlot, runRequest } from "./request";

const KEPT = 4;

/** What became of the values that were asked for last. */
export interface LayerValues {
  readonly key: string;
  readonly message: ValuesMessage | null;
  /** Why there are none; null while they are coming, or there. */
  readonly refused: string | null;
}

export function createValues(source: Source, onFailure: (error: unknown) => void) {
  const [values, setValues] = createSignal<LayerValues | null>(null);
  const kept = new Map<string, LayerValues>();
  const slot = new RequestSlot();

  /** Shows the values of a layer: the kept ones, else asks for them. */
  async function show(trace: string, stack: string, layer: number): Promise<void> {
    const key = `${trace} ${stack} ${layer}`;
    if (values()?.key === key) return;
    slot.abort();
    const known = kept.get(key);
    setValues(known ?? { key, message: null, refused: null });
    if (known !== undefined) return;
    const signal = slot.next();
    const settle = (found: LayerValues): void => {
      keepNewest(kept, key, found, KEPT);
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
