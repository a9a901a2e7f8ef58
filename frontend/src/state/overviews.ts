/** The thumbnails of the shown stack, layer by layer as they arrive. */

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
  /** The pass that its differences are measured from; null if it has none. */
  readonly baseline: string | null;
  readonly layers: ReadonlyMap<number, OverviewMessage>;
  readonly arrival: "coming" | "whole" | "broken";
}

/** Overviews in the cache: enough for the stacks and filters of a trace, or to switch between two traces. */
const CACHE_SIZE = 10;

export function createOverviews(source: Source, onFailure: (error: unknown) => void) {
  const [overview, setOverview] = createSignal<Overview | null>(null);
  const cache = new Map<string, Overview>();
  const slot = new RequestSlot();

  /** Shows the overview of a stack, limited to two sentences if there is a filter, from the cache or the source. */
  async function show(
    trace: string,
    stack: string,
    filter: SentenceFilter,
    baseline: string | null = null,
  ): Promise<void> {
    const now = overview();
    const same =
      now?.trace === trace && now.stack === stack && now.filter === filter && now.baseline === baseline;
    if (same && now.arrival !== "broken") return;
    slot.abort();
    const key = `${trace} ${stack} ${filter} ${baseline}`;
    const known = cache.get(key);
    if (known !== undefined) {
      setOverview(known);
      return;
    }
    const signal = slot.next();
    let building: Overview = { trace, stack, filter, baseline, layers: new Map(), arrival: "coming" };
    setOverview(building);
    const compared = baseline === null ? {} : { baseline };
    const load = (part: { readonly filter?: SentenceFilter }) =>
      runRequest(source, { type: "overview", trace, stack, ...part, ...compared }, "overview", {
        signal,
        onAnswer: (message) => {
          const layers = new Map(building.layers).set(message.layer, message);
          building = { ...building, layers, arrival: message.last ? "whole" : "coming" };
          if (!signal.aborted) setOverview(building);
        },
      });
    let ending = await load(filter === "all" ? {} : { filter });
    // A host without sentence filters sends all of it; the view then drops what the filter excludes.
    if (filter !== "all" && ending.kind === "failed" && ending.error instanceof HostError)
      ending = await load({});
    if (ending.kind === "answered") keepNewest(cache, key, building, CACHE_SIZE);
    if (ending.kind !== "failed") return;
    setOverview({ ...building, arrival: "broken" });
    onFailure(ending.error);
  }

  return { overview, show, close: () => slot.abort() };
}
