/** The pinned edge in every head, requested once per edge. */

import { createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { EdgeMessage } from "../wire/messages";
import { keepNewest } from "./keepNewest";
import { RequestSlot, runRequest } from "./request";

/** Edges in the cache. */
const CACHE_SIZE = 24;

export function createEdges(source: Source, onFailure: (error: unknown) => void) {
  const [edge, setEdge] = createSignal<EdgeMessage | null>(null);
  const cache = new Map<string, EdgeMessage>();
  const slot = new RequestSlot();
  let wanted: string | null = null;

  function close(): void {
    slot.abort();
    wanted = null;
  }

  /** Shows an edge of a trace; null clears it. The previous edge stays until the new one has arrived. */
  async function show(
    trace: string,
    stack: string,
    place: { readonly query: number; readonly key: number } | null,
  ): Promise<void> {
    const name = place === null ? null : `${trace} ${stack} ${place.query} ${place.key}`;
    if (name === wanted) return;
    close();
    wanted = name;
    const known = name === null ? null : cache.get(name);
    if (name === null || place === null || known != null) {
      setEdge(known ?? null);
      return;
    }
    const signal = slot.next();
    const ending = await runRequest(source, { type: "edge", trace, stack, ...place }, "edge", {
      signal,
      onAnswer: (message) => {
        if (signal.aborted) return;
        keepNewest(cache, name, message, CACHE_SIZE);
        setEdge(message);
      },
    });
    if (ending.kind !== "failed") return;
    wanted = null;
    setEdge(null);
    onFailure(ending.error);
  }

  return { edge, show, close };
}
