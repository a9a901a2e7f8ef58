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
  /** With a baseline, those that have not arrived may be there without differences. */
  readonly layers: ReadonlyMap<number, OverviewMessage>;
  readonly arrival: "coming" | "whole" | "broken";
}

/** Overviews in the cache: enough for the stacks and filters of a trace, or to switch between two traces. */
const CACHE_SIZE = 10;

/** Overviews share a `cache` if what one shows may be what another showed before. */
export function createOverviews(
  source: Source,
  onFailure: (error: unknown) => void,
  cache: Map<string, Overview> = new Map(),
) {
  const [overview, setOverview] = createSignal<Overview | null>(null);
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
    const key = keyOf(trace, stack, filter, baseline);
    const known = cache.get(key);
    if (known !== undefined) {
      setOverview(known);
      return;
    }
    const signal = slot.next();
    // Until its differences arrive, a layer is shown as it is in the pass alone.
    const plain = baseline === null ? undefined : cache.get(keyOf(trace, stack, filter, null));
    const layers: Overview["layers"] = plain?.layers ?? new Map();
    let building: Overview = { trace, stack, filter, baseline, layers, arrival: "coming" };
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

  return {
    overview,
    show,
    /** Whether the overview of a single pass is in the cache. */
    has: (trace: string, stack: string, filter: SentenceFilter) =>
      cache.has(keyOf(trace, stack, filter, null)),
    close: () => slot.abort(),
  };
}

function keyOf(trace: string, stack: string, filter: SentenceFilter, baseline: string | null): string {
  return `${trace} ${stack} ${filter} ${baseline}`;
}
