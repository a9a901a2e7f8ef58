/** Tokens that a figure leaves out by the view's settings, and the sentences that say so. Pure. */

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

/** What a caption says of the sentence filter and of the sinks. */
export function droppedNotes({ view, sinks, sinkName }: DroppedTokens): readonly string[] {
  const notes: string[] = [];
  if (view.filter !== "all") notes.push(`Only ${view.filter[0]} → ${view.filter[1]}`);
  if (view.sinks === "shown" || sinks.size === 0) return notes;
  notes.push(
    view.sinks === "hidden"
      ? `Without the ${sinkName} (hidden)`
      : `Renormalized without the ${sinkName}: the other weights of each row are brought back to a sum of 1`,
  );
  return notes;
}
