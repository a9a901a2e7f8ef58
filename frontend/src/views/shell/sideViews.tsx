import { mergeProps } from "solid-js";
import type { Place } from "../../state/state";
import { createEdgeView } from "../edges/createEdgeView";
import { EdgeHeading } from "../edges/EdgeHeading";
import { EdgeTable } from "../edges/EdgeTable";
import { EffectPanel } from "../effect/EffectPanel";
import { createNeuronView, type NeuronProps, type NeuronView } from "../neuron/createNeuronView";
import { NeuronBody } from "../neuron/NeuronBody";
import { NeuronHeading } from "../neuron/NeuronHeading";
import type { Page } from "../page/page";
import type { EdgeView } from "../shared/edgeView";
import type { Edge } from "../shared/weights";
import { RowHeading, RowTable, type RowTableProps } from "../weights/RowTable";
import type { SideView } from "./SidePanel";

/** The views that share the panel on the right. */
export function sideViews(page: Page): {
  readonly views: readonly SideView[];
  readonly neurons: NeuronView;
  readonly edges: EdgeView;
} {
  const neuronProps = neuronsOf(page);
  const now = createNeuronView(neuronProps);
  const rowProps = rowsOf(page);
  const edges = createEdgeView(page);
  const views: readonly SideView[] = [
    {
      name: "neurons",
      title: "Neurons",
      hint: "How the head computes the scores of the selected query, dimension by dimension",
      heading: () => <NeuronHeading {...neuronProps} now={now} />,
      body: () => <NeuronBody {...neuronProps} now={now} />,
    },
    {
      name: "weights",
      title: "Weights",
      hint: "The largest weights of the selected token, with ranks and scores",
      heading: () => <RowHeading {...rowProps} />,
      body: () => <RowTable {...rowProps} />,
    },
    {
      name: "edges",
      title: "Heads for a pair",
      hint: "All heads, ranked by how much a pinned query attends to a pinned key",
      heading: () => <EdgeHeading page={page} now={edges} />,
      body: () => <EdgeTable page={page} now={edges} />,
    },
    {
      name: "effect",
      title: "Effect",
      hint: "What the changes do to the prediction of the model, beside the same changes made elsewhere",
      heading: () => null,
      body: () => <EffectPanel page={page} />,
    },
  ];
  return { views, neurons: now, edges };
}

/** The props that both tables take from the page, as getters so that they stay reactive. */
function sharedOf(page: Page) {
  return {
    get field() {
      return page.field();
    },
    get version() {
      return page.version();
    },
    get shown() {
      return page.shown();
    },
    get dark() {
      return page.dark();
    },
    onFocus: page.setFocus,
  };
}

function neuronsOf(page: Page): NeuronProps {
  return mergeProps(sharedOf(page), {
    session: page.session,
    get focus() {
      return page.focus();
    },
    get marks() {
      return page.marks();
    },
    get onChange() {
      return page.session.canChange() ? page.openChange : undefined;
    },
    onDetail: page.setDetail,
  });
}

function rowsOf(page: Page): RowTableProps {
  return mergeProps(sharedOf(page), {
    get readings() {
      return page.readings();
    },
    get shownField() {
      return page.state().field;
    },
    get place() {
      return page.listed();
    },
    get pins() {
      return page.state().pins;
    },
    get trace() {
      return page.trace();
    },
    onEdge: ({ query, key }: Pick<Edge, "query" | "key">) =>
      page.session.dispatch({ type: "edge", query, key }),
    onUnpin: (pin: Place) => {
      page.session.dispatch({ type: "pin", place: pin });
      page.session.dispatch({ type: "token", token: null });
    },
  });
}
