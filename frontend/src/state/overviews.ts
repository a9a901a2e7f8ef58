/** The thumbnails of the stack on show, layer by layer as they arrive. */

import { createSignal } from "solid-js";
import { RefusedError, type Source } from "../source/source";
import type { OverviewMessage } from "../wire/messages";
import type { SentenceFilter } from "./state";

export interface Overview {
  readonly trace: string;
  readonly stack: string;
  readonly filter: SentenceFilter;
  readonly layers: ReadonlyMap<number, OverviewMessage>;
  readonly arrival: "coming" | "whole" | "broken";
}

/** Overviews kept: the stacks and filters of a trace, or two traces that one goes back and forth between. */
const KEPT = 6;

export function createOverviews(source: Source, onFailure: (error: unknown) => void) {
  const [overview, setOverview] = createSignal<Overview | null>(null);
  const kept = new Map<string, Overview>();
  let running: AbortController | null = null;

  /** Shows the overview of a stack, or of two sentences of it: the kept one, else asks for it. */
  async function show(trace: string, stack: string, filter: SentenceFilter): Promise<void> {
    const now = overview();
    const same = now?.trace === trace && now.stack === stack && now.filter === filter;
    if (same && now.arrival !== "broken") return;
    running?.abort();
    const key = `${trace} ${stack} ${filter}`;
    const known = kept.get(key);
    if (known !== undefined) {
      setOverview(known);
      return;
    }
    const control = new AbortController();
    running = control;
    let building: Overview = { trace, stack, filter, layers: new Map(), arrival: "coming" };
    setOverview(building);
    const ask = async (part: { readonly filter?: SentenceFilter }): Promise<void> => {
      const request = { type: "overview", trace, stack, ...part } as const;
      for await (const message of source.request(request, { signal: control.signal })) {
        if (message.type !== "overview") continue;
        const layers = new Map(building.layers).set(message.layer, message);
        building = { ...building, layers, arrival: message.last ? "whole" : "coming" };
        if (!control.signal.aborted) setOverview(building);
      }
    };
    try {
      try {
        await ask(filter === "all" ? {} : { filter });
      } catch (error) {
        // A host that knows no parts shows all of it, and the view leaves out what the filter drops.
        if (filter === "all" || !(error instanceof RefusedError) || error.code === "cancelled") throw error;
        await ask({});
      }
      kept.set(key, building);
      for (const oldest of kept.keys()) {
        if (kept.size <= KEPT) break;
        kept.delete(oldest);
      }
    } catch (error) {
      if (control.signal.aborted || (error instanceof RefusedError && error.code === "cancelled")) return;
      setOverview({ ...building, arrival: "broken" });
      onFailure(error);
    }
  }

  return { overview, show, close: () => running?.abort() };
}
