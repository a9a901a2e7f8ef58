/** The layers of the trace on show: the selected one, others that are looked at closely, and exact rows. */

import { createSignal } from "solid-js";
import type { Source } from "../source/source";
import type { LayerMessage, Request, TileMessage } from "../wire/messages";
import { keepNewest } from "./keepNewest";
import { RequestSlot, runRequest } from "./request";
import type { AppState } from "./state";
import type { WorkInHand } from "./work";

const KEPT = 6;

export function createLayers(source: Source, work: WorkInHand, state: () => AppState) {
  const [layer, setLayer] = createSignal<LayerMessage | null>(null);
  const kept = new Map<string, LayerMessage>();
  const tiles = new RequestSlot();

  /** Brings the selected layer, from what is kept or from the source. The old picture stays until it is there. */
  async function show(onRetry: () => void): Promise<void> {
    const { trace, selection } = state();
    if (trace === null) return;
    const { stack, layer: index } = selection;
    const key = `${trace.trace} ${stack} ${index}`;
    const known = kept.get(key);
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
    const message = await work.ask("layer", request, "layer", `layer ${index}`);
    if (message !== null) {
      keepNewest(kept, key, message, KEPT);
      setLayer(message);
    } else if (work.failure() !== null) work.onRetry(onRetry);
  }

  /** Another layer of the trace on show, the selection staying as it is; null where it cannot be had. */
  async function other(stack: string, index: number): Promise<LayerMessage | null> {
    const { trace } = state();
    if (trace === null || trace.stacks[stack]?.shapes[index] == null) return null;
    const known = kept.get(`${trace.trace} ${stack} ${index}`);
    if (known !== undefined) return known;
    const request: Request = { type: "layer", trace: trace.trace, stack, layer: index };
    const ending = await runRequest(source, request, "layer", { first: true });
    if (ending.kind === "answered") return ending.message;
    work.fail(ending.error);
    return null;
  }

  /** Exact rows of the selected layer, for pinned tokens. Fails silently only when it was overtaken. */
  async function tile(heads: readonly number[], rows: readonly number[]): Promise<TileMessage | null> {
    const { trace, selection } = state();
    if (trace === null) return null;
    const { stack, layer: index } = selection;
    const request: Request = { type: "tile", trace: trace.trace, stack, layer: index, heads, rows };
    const ending = await runRequest(source, request, "tile", { signal: tiles.next(), first: true });
    if (ending.kind === "answered") return ending.message;
    if (ending.kind === "failed" || ending.by === "host") work.fail(ending.error);
    return null;
  }

  return { layer, show, other, tile, close: () => tiles.abort() };
}
