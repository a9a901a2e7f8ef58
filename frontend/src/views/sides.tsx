import { EdgeHeading } from "./edges/EdgeHeading";
import { EdgeTable } from "./edges/EdgeTable";
import { readEdges } from "./edges/readEdges";
import { NeuronBody } from "./neuron/NeuronBody";
import { NeuronHeading } from "./neuron/NeuronHeading";
import { type NeuronProps, type Neurons, readNeurons } from "./neuron/readNeurons";
import type { Page } from "./page";
import type { SideView } from "./SidePanel";
import { RowHeading, type RowProps, RowTable } from "./weights/RowPanel";

/** The views that share the panel at the right. */
export function sideViews(page: Page): { readonly views: readonly SideView[]; readonly neurons: Neurons } {
  const neuronProps = neuronsOf(page);
  const now = readNeurons(neuronProps);
  const rowProps = rowsOf(page);
  const edges = readEdges(page);
  const views: readonly SideView[] = [
    {
      name: "neurons",
      title: "Neurons",
      heading: () => <NeuronHeading {...neuronProps} now={now} />,
      body: () => <NeuronBody {...neuronProps} now={now} />,
    },
    {
      name: "weights",
      title: "Weights",
      heading: () => <RowHeading {...rowProps} />,
      body: () => <RowTable {...rowProps} />,
    },
    {
      name: "edges",
      title: "Edges",
      heading: () => <EdgeHeading page={page} now={edges} />,
      body: () => <EdgeTable page={page} now={edges} />,
    },
  ];
  return { views, neurons: now };
}

function neuronsOf(page: Page): NeuronProps {
  return {
    session: page.session,
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
    get focus() {
      return page.focus();
    },
    onFocus: page.setFocus,
    onDetail: page.setDetail,
  };
}

function rowsOf(page: Page): RowProps {
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
    get place() {
      return page.listed();
    },
    get pins() {
      return page.state().pins;
    },
    get trace() {
      return page.trace();
    },
    onFocus: page.setFocus,
    onEdge: ({ query, key }) => page.session.dispatch({ type: "edge", query, key }),
    onUnpin: (pin) => {
      page.session.dispatch({ type: "pin", place: pin });
      page.session.dispatch({ type: "token", token: null });
    },
  };
}
