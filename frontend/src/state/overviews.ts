/** The thumbnails of the stack on show, layer by layer as they arrive. */

import { createSignal } from "solid-js";
import { RefusedError, type Source } from "../source/source";
import type { OverviewMessage } from "../wire/messages";

export interface Overview {
  readonly trace: string;
  readonly stack: string;
  readonly layers: ReadonlyMap<number, OverviewMessage>;
  readonly arrival: "coming" | "whole" | "broken";
}

/** Overviews kept: the stacks of a trace, or two traces that one goes back and forth between. */
const KEPT = 3;

export function createOverviews(source: Source, onFailure: (error: unknown) => void) {
  const [overview, setOverview] = createSignal<Overview | null>(null);
  const kept = new Map<string, Overview>();
  let running: AbortController | null = null;

  /** Shows the overview of a stack: the kept one, else asks for it. */
  async function show(trace: string, stack: string): Promise<void> {
    const now = overview();
    if (now?.trace === trace && now.stack === stack && now.arrival !== "broken") return;
    running?.abort();
    const key = `${trace} ${stack}`;
    const known = kept.get(key);
    if (known !== undefined) {
      setOverview(known);
      return;
    }
    const control = new AbortController();
    running = control;
    let building: Overview = { trace, stack, layers: new Map(), arrival: "coming" };
    setOverview(building);
    try {
      for await (const message of source.request(
        { type: "overview", trace, stack },
        { signal: control.signal },
      )) {
        if (message.type !== "overview") continue;
        const layers = new Map(building.layers).set(message.layer, message);
        building = { ...building, layers, arrival: message.last ? "whole" : "coming" };
        if (!control.signal.aborted) setOverview(building);
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
