/** The layers of the shown trace: the selected one, others that are viewed up close, and exact rows. */

import { createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { LayerMessage, Request, TileMessage } from "../wire/messages";
import { keepNewest } from "./keepNewest";
import { type Answer, RequestSlot, runRequest } from "./request";
import type { AppState } from "./state";
import type { WorkTracker } from "./work";

/** Layers in the cache. */
const CACHE_SIZE = 12;

/** Rows as the host computed them; heads and rows by their places in the request. */
export interface ExactRows {
  readonly weights: (head: number, row: number) => Float32Array;
  /** Null if scores are unknown. */
  readonly score: (head: number, row: number, key: number) => number | null;
}

/** The selected layer in both passes. */
export interface ComparedLayers {
  readonly baseline: LayerMessage;
  readonly current: LayerMessage;
}

export function createLayers(source: Source, work: WorkTracker, state: () => AppState) {
  const [layer, setLayer] = createSignal<LayerMessage | null>(null);
  const [compared, setCompared] = createSignal<ComparedLayers | null>(null, {
    equals: (a, b) => a === b || (a?.baseline === b?.baseline && a?.current === b?.current),
  });
  const cache = new Map<string, LayerMessage>();
  const tiles = new RequestSlot();
  const tilesBeside = new RequestSlot();

  /** Loads the selected layer from the cache or the source. The previous layer stays until the new one has arrived. */
  async function show(onRetry: () => void): Promise<void> {
    const { trace, selection } = state();
    if (trace === null) return;
    const { stack, layer: index } = selection;
    const key = `${trace.trace} ${stack} ${index}`;
    const known = cache.get(key);
    if (known !== undefined) {
      work.abort("layer");
      setLayer(known);
      return;
    }
    if (trace.stacks[stack]?.shapes[index] === null) {
      setLayer(null);
      return;
    }
    const request: Request = { type: "layer", trace: trace.trace, stack, layer: index };
    const message = await work.ask("layer", request, "layer", `Loading layer ${index}`);
    if (message !== null) {
      keepNewest(cache, key, message, CACHE_SIZE);
      setLayer(message);
    } else if (work.failure() !== null) work.onRetry(onRetry);
  }

  /** Loads the selected layer of both passes. What was compared before stays until both have arrived. */
  async function compare(): Promise<void> {
    const { comparison, selection } = state();
    if (comparison === null) {
      setCompared(null);
      return;
    }
    const { stack, layer: index } = selection;
    const [baseline, current] = await Promise.all([
      other(stack, index, comparison.baseline),
      other(stack, index, comparison.current),
    ]);
    const now = state();
    if (now.comparison?.current !== comparison.current || now.comparison.baseline !== comparison.baseline)
      return;
    if (now.selection.stack !== stack || now.selection.layer !== index) return;
    setCompared(baseline === null || current === null ? null : { baseline, current });
  }

  /** Loads a layer of a trace, by default the shown one, without selecting it; null if it is unavailable. */
  async function other(
    stack: string,
    index: number,
    trace: AppState["trace"] = state().trace,
  ): Promise<LayerMessage | null> {
    if (trace === null || trace.stacks[stack]?.shapes[index] == null) return null;
    const known = cache.get(`${trace.trace} ${stack} ${index}`);
    if (known !== undefined) return known;
    const request: Request = { type: "layer", trace: trace.trace, stack, layer: index };
    const ending = await runRequest(source, request, "layer", { first: true });
    if (ending.kind === "answered") {
      if (ending.message !== null)
        keepNewest(cache, `${trace.trace} ${stack} ${index}`, ending.message, CACHE_SIZE);
      return ending.message;
    }
    work.fail(ending.error);
    return null;
  }

  /**
   * Loads exact rows of the selected layer, of the shown pass or of the other one (`beside`). Null if that failed; silently if
   * a newer request replaced this one.
   */
  async function tile(
    heads: readonly number[],
    rows: readonly number[],
    beside: string | null = null,
  ): Promise<TileMessage | null> {
    const { trace, selection } = state();
    if (trace === null) return null;
    const { stack, layer: index } = selection;
    const request: Request = { type: "tile", trace: beside ?? trace.trace, stack, layer: index, heads, rows };
    const slot = beside === null ? tiles : tilesBeside;
    const ending = await runRequest(source, request, "tile", { signal: slot.next(), first: true });
    if (ending.kind === "answered") return ending.message;
    if (ending.kind === "failed" || ending.by === "host") work.fail(ending.error);
    return null;
  }

  /** One answer about the selected layer, for an export. Throws the error if there is none. */
  async function exactly<T extends "layer" | "tile">(
    type: T,
    more: object,
    trace = state().trace,
  ): Promise<Answer<T> | null> {
    const { selection } = state();
    if (trace === null) return null;
    const { stack, layer: index } = selection;
    const request: Request = { type, trace: trace.trace, stack, layer: index, ...more };
    const ending = await runRequest(source, request, type, { first: true });
    if (ending.kind !== "answered") throw ending.error;
    return ending.message;
  }

  /** Exact rows of some heads of the selected layer, of the shown pass or another one. */
  async function exactRows(
    heads: readonly number[],
    rows: readonly number[],
    trace?: AppState["trace"],
  ): Promise<ExactRows | null> {
    const tile = await exactly("tile", { heads, rows }, trace);
    const weights = tile?.tensors.get("attention");
    const scores = tile?.tensors.get("scores")?.data;
    if (!(weights?.data instanceof Float32Array)) return null;
    const keys = weights.shape[2];
    const all = weights.data;
    const from = (head: number, row: number) => (head * rows.length + row) * keys;
    return {
      weights: (head, row) => all.slice(from(head, row), from(head, row) + keys),
      score: (head, row, key) => (scores instanceof Float32Array ? scores[from(head, row) + key] : null),
    };
  }

  /** The selected layer with q and k that are not rounded. */
  const exactLayer = () => exactly("layer", { exact: true });

  return {
    ...{ layer, compared, show, compare, other, tile, exactRows, exactLayer },
    close: () => {
      tiles.abort();
      tilesBeside.abort();
    },
  };
}
