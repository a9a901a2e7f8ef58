/** The pinned edge in every head, in the order of the table. */

import { createMemo } from "solid-js";
import { comparedEdgeRows, edgeRows } from "../../compute/edgeRows";
import { sentenceOf } from "../../state/failure";
import { edgeBeside, selectedEdge } from "../../state/state";
import type { Page } from "../page/page";
import type { EdgeView } from "../shared/edgeView";
import { sinkName } from "../shared/weights";

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
      if (state().field !== "difference" || state().comparison === null) return edgeRows(message, offSink());
      const { alignment, baseline } = state().comparison ?? {};
      const [beside, place] = [session.edgeBeside(), edgeBeside(state(), now)];
      const heads = alignment?.stacks[message.stack]?.heads;
      const ready = beside?.trace === baseline?.trace && beside?.stack === message.stack;
      if (beside === null || place === null || heads === undefined || !ready) return null;
      if (beside.query !== place.query || beside.key !== place.key) return null;
      return comparedEdgeRows(message, beside, offSink(), heads);
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  });
  return { edge, rows, offSink, sinkName: () => sinkName(shown().keys, stack()?.causal ?? false) };
}
