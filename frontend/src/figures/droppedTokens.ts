/** Tokens that a figure omits because of the view's settings, and the caption sentences about them. Pure. */

import type { ViewSettings } from "../state/state";
import type { Token } from "../wire/messages";

export interface DroppedTokens {
  readonly view: Pick<ViewSettings, "filter" | "sinks">;
  readonly sinks: ReadonlySet<number>;
  readonly sinkName: string;
}

/** Which queries and keys are drawn. */
export function tokensShown(
  { view, sinks }: DroppedTokens,
  queries: readonly Token[],
  keys: readonly Token[],
): { readonly query: (index: number) => boolean; readonly key: (index: number) => boolean } {
  const { filter } = view;
  return {
    query: (index) => filter === "all" || queries[index]?.sentence === filter[0],
    key: (index) =>
      (filter === "all" || keys[index]?.sentence === filter[1]) &&
      (view.sinks === "shown" || !sinks.has(index)),
  };
}

/** Caption sentences about the sentence filter and the attention sinks. */
export function droppedNotes({ view, sinks, sinkName }: DroppedTokens): readonly string[] {
  const notes: string[] = [];
  if (view.filter !== "all") notes.push(`Only attention ${view.filter[0]} → ${view.filter[1]} is drawn`);
  if (view.sinks === "shown" || sinks.size === 0) return notes;
  notes.push(
    view.sinks === "hidden"
      ? `Attention to the ${sinkName} is hidden`
      : `Attention to the ${sinkName} is hidden; the other weights of each row are renormalized to sum to 1`,
  );
  return notes;
}
