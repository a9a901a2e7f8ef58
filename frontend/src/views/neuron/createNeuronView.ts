/** What the neuron view reads from the field: everything between the selected query and its attention. */

import { createEffect, createMemo } from "solid-js";
import { ComputedLayer, type LayerField } from "../../compute/layerField";
import {
  disagreement,
  dotError,
  headVectors,
  sinkMass,
  spanOf,
  strongestKey,
  traceQuery,
} from "../../compute/neuron";
import { byContribution, byWavelength, pairingOf } from "../../compute/rotaryPairs";
import { headValues, weighted } from "../../compute/values";
import { imageQuery } from "../../marks/imagePatches";
import type { Session } from "../../state/session";
import { neuronHead, type Order, type Place } from "../../state/state";
import type { Token } from "../../wire/messages";
import type { Focus, Shown } from "../shared/weights";
import type { Fulls, ValueSide } from "./scene";

/** The share of a column's numbers that its colors tell apart; larger ones all have the full color. */
const TOLD_APART = 0.96;

export interface NeuronProps {
  readonly session: Session;
  readonly field: LayerField | null;
  readonly shown: Shown;
  /** Rises whenever the field knows more than before. */
  readonly version: number;
  readonly dark: boolean;
  readonly focus: Focus | null;
  readonly onFocus: (focus: Focus | null) => void;
  /** What the readout adds to the edge under the pointer. */
  readonly onDetail: (sentence: string | null) => void;
}

export type NeuronView = ReturnType<typeof createNeuronView>;

export function createNeuronView(props: NeuronProps) {
  const state = props.session.state;
  const head = createMemo(() => Math.min(neuronHead(state()), Math.max(0, (props.field?.heads ?? 1) - 1)));
  /** Whether anybody sees the neurons. */
  const open = () => state().view.neurons === "open" && state().frame.side === "neurons";
  const layer = createMemo(() => (props.field instanceof ComputedLayer ? props.field : null));

  let shownOf: readonly Token[] = [];
  /** The query on show: the one selected, else the one pinned last, else the one shown before of these tokens, else the last. */
  const query = createMemo<number>((before) => {
    const same = shownOf === props.shown.queries;
    shownOf = props.shown.queries;
    const { token } = state().selection;
    const count = props.shown.queries.length;
    const place: Place | undefined =
      token?.side === "query" ? token : state().pins.findLast((pin) => pin.side === "query");
    const wanted = place?.index ?? (same ? before : -1);
    return wanted >= 0 && wanted < count ? wanted : (imageQuery(props.shown.queries) ?? count - 1);
  }, -1);

  const vectors = createMemo(() => {
    const now = layer();
    return now === null ? null : headVectors(now.data, head());
  });

  /** The selected query against every key, and its attention. Null while closed or not known. */
  const traced = createMemo(() => {
    const now = vectors();
    const field = layer();
    if (!open() || now === null || field === null || query() < 0 || query() >= now.queries) return null;
    return { vectors: now, field, trace: traceQuery(now, query()) };
  });
  const weights = createMemo(() => {
    void props.version;
    const now = traced();
    return now === null ? null : now.field.row(now.vectors.head, now.trace.query);
  });

  /** The key that the order of dimensions is about: the one pinned last, else the strongest. */
  const reference = createMemo(() => {
    const now = traced();
    const row = weights();
    if (now === null || row === null) return null;
    const pin = state().pins.findLast((place) => place.side === "key")?.index;
    return pin !== undefined && now.trace.allowed[pin] === 1 ? pin : strongestKey(now.trace, row);
  });
  /** How the dimensions of this layer turn with the position; null where they do not, or nobody knows. */
  const pairing = createMemo(() => {
    const now = vectors();
    const field = layer();
    const rotary = field && state().trace?.stacks[field.stack]?.rotary;
    return now === null || field === null ? null : pairingOf(rotary, field.layer, now.dim);
  });
  /** The order that is on show: one that this layer does not have is as if none was asked for. */
  const orderName = (): Order => {
    const { order } = state().view;
    return order === "wavelength" && pairing() === null ? "index" : order;
  };
  const order = createMemo(() => {
    const turning = pairing();
    const name = orderName();
    if (name === "wavelength" && turning !== null) return byWavelength(turning);
    const now = traced();
    const key = reference();
    if (now === null || key === null || name !== "contribution") return null;
    return byContribution(now.trace, key, turning);
  });

  /** Whether anybody sees the value side. */
  const valuesWanted = () => open() && state().view.values === "shown" && layer() !== null;
  createEffect(() => {
    const field = layer();
    const trace = state().trace?.trace;
    if (!valuesWanted() || field === null || trace === undefined) return;
    if (props.session.hello()?.can.includes("values"))
      void props.session.showValues(trace, field.stack, field.layer);
  });
  const asked = createMemo(() => {
    const field = layer();
    const now = props.session.values();
    const here = field !== null && now?.key === `${state().trace?.trace} ${field.stack} ${field.layer}`;
    return valuesWanted() && here ? now : null;
  });
  const ownValues = createMemo(() => {
    const message = asked()?.message ?? null;
    const field = layer();
    if (message === null || field === null || message.keys !== field.keys || message.heads !== field.heads)
      return null;
    const values = headValues(message, head());
    return { values, v: spanOf(values.v, TOLD_APART).usual };
  });
  const side = createMemo<ValueSide | null>(() => {
    const now = ownValues();
    const row = weights();
    if (now === null || row === null) return null;
    const { transformed } = now.values;
    const adds = transformed && weighted(row, transformed);
    const largest = (all: Float32Array | null) => (all === null ? 0 : spanOf(all, 1).largest);
    return {
      values: now.values,
      weighted: adds,
      fulls: { v: now.v, transformed: largest(transformed), weighted: largest(adds) },
    };
  });
  /** What to say of the value side: that it is coming, or why it is not there. */
  const valuesNote = (): string | null => {
    if (!valuesWanted()) return null;
    if (!props.session.hello()?.can.includes("values")) return "values are not part of this page";
    const refused = asked()?.refused;
    if (refused) return refused;
    return asked()?.message?.note ?? (side() === null ? "values are coming…" : null);
  };

  const headSpans = createMemo(() => {
    const now = vectors();
    return now && { q: spanOf(now.q, TOLD_APART), k: spanOf(now.k, TOLD_APART) };
  });
  const fulls = createMemo<Fulls | null>(() => {
    const now = traced();
    const spans = headSpans();
    if (now === null || spans === null) return null;
    const { products, dots, bias, allowed } = now.trace;
    const seen = dots.filter((_, key) => allowed[key] === 1);
    return {
      q: spans.q.usual,
      k: spans.k.usual,
      product: spanOf(products, TOLD_APART).usual,
      dot: spanOf(seen.length > 0 ? seen : dots, 1).largest,
      bias: bias === null ? 0 : spanOf(bias, 1).largest,
    };
  });

  /** How far the scores made of the cells are from those that the attention is made of. */
  const check = createMemo(() => {
    void props.version;
    const now = traced();
    if (now === null) return null;
    const { vectors: from, trace, field } = now;
    const most = disagreement(trace, (key) => field.score(from.head, trace.query, key));
    const size = spanOf(trace.scores.filter(Number.isFinite), 1).largest;
    return { most, ok: most <= Math.max(1e-5, 8 * from.rounding * size) };
  });
  /** How far q · k may be off: measured where the host sent exact scores, else what rounding can do. */
  const error = createMemo(() => {
    const now = traced();
    if (now === null) return 0;
    const { vectors: from, trace, field } = now;
    const { scaling, softcap } = from.data;
    if (field.error > 0 && field.exact(from.head, trace.query) && softcap === null) {
      return (check()?.most ?? 0) / scaling;
    }
    let most = 0;
    for (let key = 0; key < trace.keys; key++) most = Math.max(most, dotError(from, trace, key));
    return most;
  });

  const sink = createMemo(() => {
    const now = traced();
    const row = weights();
    return now === null || row === null ? null : sinkMass(now.vectors, row);
  });

  return {
    ...{ head, layer, traced, weights, reference, pairing, orderName, order },
    ...{ side, valuesNote, fulls, check, error, sink },
  };
}
