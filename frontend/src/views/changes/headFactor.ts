/** The factor of a head's output, as a change of the list. */

import type { HeadSubject } from "../../state/changeSubject";
import { findChange, putChanges, removeChanges } from "../../state/changes";
import type { Session } from "../../state/session";
import type { Change } from "../../state/state";
import type { Edit } from "../../wire/messages";

/** The largest factor that a fader gives. */
export const MOST_FACTOR = 2;

/** Where an edit acts; a stack is named only where there are several. */
export function editPlace(
  session: Session,
  { stack, layer, head }: Pick<HeadSubject, "stack" | "layer" | "head">,
): { readonly layer: number; readonly head: number; readonly stack?: string } {
  const stacks = Object.keys(session.state().trace?.stacks ?? {});
  return stacks.length > 1 ? { layer, head, stack } : { layer, head };
}

export function headFactor(session: Session, head: Pick<HeadSubject, "stack" | "layer" | "head">) {
  const edit = (factor: number): Edit => ({ type: "ScaleHead", ...editPlace(session, head), factor });
  const name = `head ${head.layer}.${head.head}`;
  const change = (): Change | null => findChange(session.state().changes, edit(1));
  const scaled = (): number => {
    const now = change();
    return now?.edit.type === "ScaleHead" ? Number(now.edit.factor) : 1;
  };
  return {
    /** The change of the head's output; null if it is as it is. */
    change,
    /** The factor, 1 if the output is not scaled. */
    factor: scaled,
    set: (factor: number): void => {
      const step = factor === 0 ? `turn off ${name}` : `scale ${name}`;
      session.change(putChanges(session.state().changes, [edit(factor)]), step);
    },
    put: (made: Edit, step: string): void =>
      session.change(putChanges(session.state().changes, [made]), `${step} ${name}`),
    reset: (): void => {
      if (change() === null) return;
      session.change(removeChanges(session.state().changes, [edit(1)]), `leave ${name} as it is`);
    },
  };
}
