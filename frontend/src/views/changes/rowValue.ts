/** The number of a row of changes: what its fader shows and sets. */

import { changeWords } from "../../figures/changeWords";
import { type ChangeRow, putChanges, subjectOf, turnChanges } from "../../state/changes";
import type { Session } from "../../state/session";
import type { Edit } from "../../wire/messages";
import type { Page } from "../page/page";
import { MOST_FACTOR } from "./headFactor";
import { unchangedPass } from "./subject";

export interface RowFader {
  readonly value: number;
  readonly most: number;
  readonly asItIs: number | null;
  /** The edits with another number. */
  readonly turned: (value: number) => readonly Edit[];
}

/** The fader of a row; null if it has no number to turn. */
export function rowFader(page: Page, row: ChangeRow): RowFader | null {
  const [{ edit }] = row.changes;
  const edits = row.changes.map((one) => one.edit);
  switch (edit.type) {
    case "ScaleHead":
    case "ScaleNeuron":
      return {
        ...{ value: Number(edit.factor), most: MOST_FACTOR, asItIs: 1 },
        turned: (factor) => edits.map((one) => ({ ...one, factor })),
      };
    case "CutEdge":
    case "SetAttention": {
      if (typeof edit.query !== "number" || typeof edit.key !== "number") return null;
      return {
        ...{ value: edit.type === "CutEdge" ? 0 : Number(edit.weight), most: 1 },
        asItIs: row.over === "head" ? weightAsItIs(page, edit) : null,
        turned: (weight) => edits.map((one) => ({ ...one, type: "SetAttention", weight })),
      };
    }
    default:
      return null;
  }
}

function weightAsItIs(page: Page, { stack, layer, head, query, key }: Edit): number | null {
  const pass = unchangedPass(page.state());
  if (pass === null) return null;
  return page.edgeWeight(pass.trace, {
    stack: String(stack ?? Object.keys(pass.stacks)[0]),
    ...{ layer: Number(layer), head: Number(head), query: Number(query), key: Number(key) },
  });
}

/** Turns a row; the changes keep their places while the hand is on the fader. */
export function turnRow(session: Session, { turned }: RowFader, value: number): void {
  const edits = turned(value);
  const { place, what, kind } = changeWords(edits[0]);
  session.change(turnChanges(session.state().changes, edits), `change ${what || kind} of ${place}`);
}

/** After the hand has let go: a weight of 0 is cut, and each change takes its place in the computation. */
export function settleRow(session: Session, row: ChangeRow): void {
  const { changes } = session.state();
  const subjects = new Set(row.changes.map(({ edit }) => subjectOf(edit)));
  const own = changes.filter(({ edit, muted }) => !muted && subjects.has(subjectOf(edit)));
  const edits = own.map(({ edit }) => {
    const { type, weight, ...place } = edit;
    return type === "SetAttention" && weight === 0 ? { ...place, type: "CutEdge" } : edit;
  });
  const settled = putChanges(changes, edits);
  const { place } = changeWords(row.changes[0].edit);
  if (settled.some((one, at) => one.edit !== changes[at]?.edit))
    session.change(settled, `change ${changeWords(row.changes[0].edit).what} of ${place}`);
}
