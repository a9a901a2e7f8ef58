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
      const own = edgeRows(message, offSink());
      const { comparison, field } = state();
      if (comparison === null) return own;
      const pass = field === "before" ? comparison.current : comparison.baseline;
      const place = edgeBeside(state(), now);
      if (place === null) return comparedEdgeRows(own, null, field);
      const beside = session.edgeBeside();
      const fits = beside?.trace === pass.trace && beside.query === place.query && beside.key === place.key;
      return beside !== null && fits ? comparedEdgeRows(own, edgeRows(beside, offSink()), field) : null;
    } catch (error) {
      session.fail(sentenceOf(error));
      return null;
    }
  });
  return { edge, rows, offSink, sinkName: () => sinkName(shown().keys, stack()?.causal ?? false) };
}
