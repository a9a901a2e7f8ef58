/** The value side of a layer, asked for only while somebody looks at it. */

import { createSignal } from "solid-js";
import { RefusedError, type Source } from "../source/source";
import type { ValuesMessage } from "../wire/messages";

const KEPT = 4;

/** What became of the values that were asked for last. */
export interface Asked {
  readonly key: string;
  readonly message: ValuesMessage | null;
  /** Why there are none; null while they are coming, or there. */
  readonly refused: string | null;
}

export function createValues(source: Source, onFailure: (error: unknown) => void) {
  const [values, setValues] = createSignal<Asked | null>(null);
  const kept = new Map<string, Asked>();
  let running: AbortController | null = null;

  /** Shows the values of a layer: the kept ones, else asks for them. */
  async function show(trace: string, stack: string, layer: number): Promise<void> {
    const key = `${trace} ${stack} ${layer}`;
    if (values()?.key === key) return;
    running?.abort();
    const known = kept.get(key);
    setValues(known ?? { key, message: null, refused: null });
    if (known !== undefined) return;
    const control = new AbortController();
    running = control;
    const settle = (asked: Asked): void => {
      kept.set(key, asked);
      for (const oldest of kept.keys()) {
        if (kept.size <= KEPT) break;
        kept.delete(oldest);
      }
      if (!control.signal.aborted) setValues(asked);
    };
    try {
      const request = { type: "values", trace, stack, layer } as const;
      for await (const message of source.request(request, { signal: control.signal })) {
        if (message.type === "values") settle({ key, message, refused: null });
      }
    } catch (error) {
      if (control.signal.aborted) return;
      if (error instanceof RefusedError && error.code !== "cancelled") {
        settle({ key, message: null, refused: error.message });
      } else {
        setValues(null);
        onFailure(error);
      }
    }
  }

  return { values, show, close: () => running?.abort() };
}
