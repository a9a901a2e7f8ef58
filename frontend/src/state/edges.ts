/** The pinned edge in every head, asked for once for each edge. */

import { createSignal } from "solid-js";
import { RefusedError, type Source } from "../source/source";
import type { EdgeMessage } from "../wire/messages";

const KEPT = 24;

export function createEdges(source: Source, onFailure: (error: unknown) => void) {
  const [edge, setEdge] = createSignal<EdgeMessage | null>(null);
  const kept = new Map<string, EdgeMessage>();
  let wanted: string | null = null;
  let running: AbortController | null = null;

  function close(): void {
    running?.abort();
    running = null;
    wanted = null;
  }

  /** Shows an edge of a trace; none with null. The old one stays until the new one is there. */
  async function show(
    trace: string,
    stack: string,
    place: { readonly query: number; readonly key: number } | null,
  ): Promise<void> {
    const name = place === null ? null : `${trace} ${stack} ${place.query} ${place.key}`;
    if (name === wanted) return;
    close();
    wanted = name;
    const known = name === null ? null : kept.get(name);
    if (name === null || place === null || known != null) {
      setEdge(known ?? null);
      return;
    }
    const control = new AbortController();
    running = control;
    try {
      const request = { type: "edge", trace, stack, ...place } as const;
      for await (const message of source.request(request, { signal: control.signal })) {
        if (message.type !== "edge" || control.signal.aborted) continue;
        kept.set(name, message);
        for (const oldest of kept.keys()) {
          if (kept.size <= KEPT) break;
          kept.delete(oldest);
        }
        setEdge(message);
      }
    } catch (error) {
      if (control.signal.aborted || (error instanceof RefusedError && error.code === "cancelled")) return;
      wanted = null;
      setEdge(null);
      onFailure(error);
    }
  }

  return { edge, show, close };
}
