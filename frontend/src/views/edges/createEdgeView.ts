/** The pinned edge in every head, in the order in which the table has it. */

import { type Accessor, createMemo } from "solid-js";
import { type EdgeRow, edgeRows } from "../../compute/edgeRows";
import { sentenceOf } from "../../state/failure";
import { selectedEdge } from "../../state/state";
import type { Page } from "../page/page";

export interface EdgeView {
  /** The edge that is pinned; null where a query or a key is missing. */
  readonly edge: Accessor<{ readonly query: number; readonly key: number } | null>;
  /** All heads by it; null until they are here. */
  readonly rows: Accessor<readonly EdgeRow[] | null>;
  readonly offSink: Accessor<boolean>;
}

export function createEdgeView({ session, state, trace }: Page): EdgeView {
  const edge = createMemo(() => selectedEdge(state()), undefined, {
    equals: (a, b) => a?.query === b?.query && a?.key === b?.key,
  });
  const offSink = () => state().view.measured === "off-sink";
  const rows = createMemo(() => {
    const message = session.edge();
    const now = edge();
    if (message === null || now === null) return null;
    const same = message.trace === trace()?.trace && message.stack === state().selection.stack;
    if (!same || message.query !== now.query || message.key !== now.key) return null;
    try {
      return edgeRows(message, offSink());
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  });
  return { edge, rows, offSink };
}
