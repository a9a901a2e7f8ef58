/** The subject of a change in the current pass, which the changes are made in. */

import type { ChangeSubject } from "../../state/changeSubject";
import { type AppState, currentPass, type Side } from "../../state/state";
import type { TraceMessage } from "../../wire/messages";

/** The subject with the tokens of the current pass; null if one of them has no counterpart there. */
export function inCurrentPass(subject: ChangeSubject, state: AppState): ChangeSubject | null {
  const { comparison, field } = state;
  if (comparison === null || field !== "before") return subject;
  const stack = comparison.current.stacks[subject.stack];
  const moved = (side: Side, index: number): number => {
    const name = side === "query" ? stack?.query : stack?.key;
    return comparison.alignment?.sides[name ?? ""]?.indexOf(index) ?? -1;
  };
  switch (subject.kind) {
    case "line": {
      const [query, key] = [moved("query", subject.query), moved("key", subject.key)];
      return query < 0 || key < 0 ? null : { ...subject, query, key };
    }
    case "token": {
      const index = moved(subject.side, subject.index);
      return index < 0 ? null : { ...subject, index };
    }
    default:
      return subject;
  }
}

/** The pass without changes that has the numbers "as it is"; null if it is not there. */
export function unchangedPass(state: AppState): TraceMessage | null {
  const { comparison } = state;
  if (comparison?.kind === "unchanged") return comparison.baseline;
  const pass = currentPass(state);
  return (pass?.edits ?? []).length === 0 ? pass : null;
}
