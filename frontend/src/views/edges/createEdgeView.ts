/** The pinned edge in every head, in the order of the table. */

import { type Accessor, createMemo } from "solid-js";
import { type EdgeRow, edgeRows } from "../../compute/edgeRows";
import { sentenceOf } from "../../state/failure";
import { selectedEdge } from "../../state/state";
import type { Page } from "../page/page";
import { sinkName } from "../shared/weights";

export interface EdgeView {
  /** The pinned edge; null unless both a query and a key are pinned. */
  readonly edge: Accessor<{ readonly query: number; readonly key: number } | null>;
  /** All heads, sorted by the weight of the edge; null until they are loaded. */
  readonly rows: Accessor<readonly EdgeRow[] | null>;
  /** Whether weights are renormalized without the sinks. */
  readonly offSink: Accessor<boolean>;
  /** What the sinks are, as `first token`. */
  readonly sinkName: Accessor<string>;
}

export function createEdgeView({ session, state, trace, stack, shown }: Page): EdgeView {
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
  return { edge, rows, offSink, sinkName: () => sinkName(shown().keys, stack()?.causal ?? false) };
}
