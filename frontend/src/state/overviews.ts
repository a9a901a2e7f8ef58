/** The thumbnails of the stack on show, layer by layer as they arrive. */

import { createSignal } from "solid-js";
import { HostError, type Source } from "../source/source";
import type { OverviewMessage } from "../wire/messages";
import { keepNewest } from "./keepNewest";
import { RequestSlot, runRequest } from "./request";
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
  const slot = new RequestSlot();

  /** Shows the overview of a stack, or of two sentences of it: the kept one, else asks for it. */
  async function show(trace: string, stack: string, filter: SentenceFilter): Promise<void> {
    const now = overview();
    const same = now?.trace === trace && now.stack === stack && now.filter === filter;
    if (same && now.arrival !== "broken") return;
    slot.abort();
    const key = `${trace} ${stack} ${filter}`;
    const known = kept.get(key);
    if (known !== undefined) {
      setOverview(known);
      return;
    }
    const signal = slot.next();
    let building: Overview = { trace, stack, filter, layers: new Map(), arrival: "coming" };
    setOverview(building);
    const ask = (part: { readonly filter?: SentenceFilter }) =>
      runRequest(source, { type: "overview", trace, stack, ...part }, "overview", {
        signal,
        onAnswer: (message) => {
          const layers = new Map(building.layers).set(message.layer, message);
          building = { ...building, layers, arrival: message.last ? "whole" : "coming" };
          if (!signal.aborted) setOverview(building);
        },
      });
    let ending = await ask(filter === "all" ? {} : { filter });
    // A host that knows no parts shows all of it, and the view leaves out what the filter drops.
    if (filter !== "all" && ending.kind === "failed" && ending.error instanceof HostError)
      ending = await ask({});
    if (ending.kind === "answered") keepNewest(kept, key, building, KEPT);
    if (ending.kind !== "failed") return;
    setOverview({ ...building, arrival: "broken" });
    onFailure(ending.error);
  }

  return { overview, show, close: () => slot.abort() };
}
