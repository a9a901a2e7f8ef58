/** The weight of a key for a query, as changes of the list: one for each head in scope. */

import { shortNumber } from "../../figures/changeWords";
import type { LineSubject } from "../../state/changeSubject";
import { findChange, putChanges, removeChanges } from "../../state/changes";
import { type Change, currentPass } from "../../state/state";
import type { Edit } from "../../wire/messages";
import type { Page } from "../page/page";
import { editPlace } from "./headFactor";
import { unchangedPass } from "./subject";

/** Whether a change is made in one head, in all heads of its layer, or in all layers. */
export type Scope = "head" | "layer" | "all";

/** The heads of a scope, as [layer, head]. */
export function headsIn(
  page: Page,
  { stack, layer, head }: Pick<LineSubject, "stack" | "layer" | "head">,
  scope: Scope,
): readonly (readonly [layer: number, head: number])[] {
  if (scope === "head") return [[layer, head]];
  const shapes = currentPass(page.state())?.stacks[stack]?.shapes ?? [];
  return shapes.flatMap((shape, at) =>
    scope === "all" || at === layer
      ? Array.from({ length: shape?.heads ?? 0 }, (_, index) => [at, index] as const)
      : [],
  );
}

export function lineWeight(page: Page, subject: LineSubject, scope: Scope) {
  const { session } = page;
  const { stack, layer, head, query, key } = subject;
  const changes = () => session.state().changes;
  const cutIn = ([at, index]: readonly [number, number]): Edit => ({
    type: "CutEdge",
    ...editPlace(session, { stack, layer: at, head: index }),
    ...{ query, key },
  });
  const edits = (weight: number): readonly Edit[] =>
    headsIn(page, subject, scope).map((place) =>
      weight === 0 ? cutIn(place) : { ...cutIn(place), type: "SetAttention", weight },
    );
  const change = (): Change | null => findChange(changes(), cutIn([layer, head]));
  const cut = (): boolean => change()?.edit.type === "CutEdge";
  /** The weight without changes; null if it is not known. */
  const asItIs = (): number | null => {
    const pass = unchangedPass(session.state());
    return pass === null ? null : page.edgeWeight(pass.trace, { stack, layer, head, query, key });
  };
  const weight = (): number | null => {
    const now = change();
    if (now === null) return asItIs();
    return cut() ? 0 : Number(now.edit.weight);
  };
  const where = scope === "head" ? `head ${layer}.${head}` : `layer ${layer}`;
  const reset = (): void => {
    if (change() !== null)
      session.change(removeChanges(changes(), edits(0)), `leave a weight of ${where} as it is`);
  };
  return {
    ...{ change, cut, asItIs, weight, reset },
    set: (to: number): void =>
      session.change(
        putChanges(changes(), edits(to)),
        to === 0 ? `cut a line in ${where}` : `set a weight in ${where}`,
      ),
    /** After the hand has let go: a weight that is as it was is no change. */
    rest: (): void => {
      const own = asItIs();
      if (scope === "head" && own !== null && weight() === own) reset();
    },
    sentence: (): string => {
      if (change() === null) return "The weight is as the model computes it.";
      if (cut()) return "The other keys of the row share its weight in the proportions they had.";
      return `The other keys of the row share ${shortNumber(1 - (weight() ?? 0))} in the proportions they had.`;
    },
  };
}
