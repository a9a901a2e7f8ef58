/** The data of the neuron view: every step from the selected query to its attention. */

import { createEffect, createMemo } from "solid-js";
import { DifferenceLayer } from "../../compute/differenceLayer";
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
import { differenceTrace, differenceVectors, neuronObstacle } from "../../compute/neuronDifference";
import { byContribution, byWavelength, pairingOf } from "../../compute/rotaryPairs";
import { headValues, weighted } from "../../compute/values";
import { imageQuery } from "../../marks/imagePatches";
import type { ChangeSubject } from "../../state/changeSubject";
import type { EditMarks } from "../../state/editMarks";
import type { Session } from "../../state/session";
import { neuronHead, type Order, type Place } from "../../state/state";
import type { Token } from "../../wire/messages";
import type { GesturePoint } from "../shared/changeGesture";
import type { Focus, Shown } from "../shared/weights";
import type { Fulls, ValueSide } from "./scene";

/** The quantile of a column's magnitudes that has full color; larger values are clipped to it. */
const FULL_COLOR_QUANTILE = 0.96;

export interface NeuronProps {
  readonly session: Session;
  readonly field: LayerField | null;
  readonly shown: Shown;
  /** Increases whenever the field has new data. */
  readonly version: number;
  readonly dark: boolean;
  readonly focus: Focus | null;
  /** What edits do to the layer. */
  readonly marks: EditMarks;
  /** Opens a change of something at a point of the window; absent where nothing can be changed. */
  readonly onChange?: (subject: ChangeSubject, at: GesturePoint, from: HTMLElement) => void;
  readonly onFocus: (focus: Focus | null) => void;
  /** Sets what the readout appends to the edge under the pointer. */
  readonly onDetail: (sentence: string | null) => void;
}

export type NeuronView = ReturnType<typeof createNeuronView>;

export function createNeuronView(props: NeuronProps) {
  const state = props.session.state;
  const head = createMemo(() => Math.min(neuronHead(state()), Math.max(0, (props.field?.heads ?? 1) - 1)));
  /** Whether the neurons are visible. */
  const open = () => state().view.neurons === "open" && state().frame.side === "neurons";
  /** Both passes of a difference; null otherwise, or if they lack queries and keys. */
  const both = createMemo(() => {
    const { field } = props;
    if (!(field instanceof DifferenceLayer)) return null;
    const { current, baseline, correspondence } = field.compared;
    if (!(current instanceof ComputedLayer && baseline instanceof ComputedLayer)) return null;
    return { current, baseline, correspondence, obstacle: neuronObstacle(current.data, baseline.data) };
  });
  const comparable = () => {
    const now = both();
    return now === null || now.obstacle !== null ? null : now;
  };
  const layer = createMemo(() =>
    props.field instanceof ComputedLayer ? props.field : (comparable()?.current ?? null),
  );
  /** Why there are no neurons, in a sentence. */
  const missing = (): string => {
    const obstacle = both()?.obstacle ?? null;
    if (obstacle !== null) return obstacle;
    return props.field?.signed
      ? "One of the two passes contains attention weights but no queries and keys, so there are no neurons to compare."
      : "This trace contains attention weights but no queries and keys, so there are no neurons to show.";
  };

  let shownOf: readonly Token[] = [];
  /** The query shown: selected, else last pinned, else the previous one if the tokens are the same, else the last token. */
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
    if (now === null) return null;
    const own = headVectors(now.data, head());
    const pair = comparable();
    if (pair === null || head() >= pair.correspondence.heads) return own;
    return differenceVectors(own, headVectors(pair.baseline.data, head()), pair.correspondence);
  });

  /** The selected query against every key, and its attention. Null while collapsed or unknown. */
  const traced = createMemo(() => {
    const now = vectors();
    const own = layer();
    if (!open() || now === null || own === null || query() < 0 || query() >= now.queries) return null;
    const pair = comparable();
    if (pair === null) return { vectors: now, field: own as LayerField, trace: traceQuery(now, query()) };
    if (head() >= pair.correspondence.heads || props.field === null) return null;
    const [after, before] = [pair.current, pair.baseline].map(({ data }) => headVectors(data, head()));
    return {
      vectors: now,
      field: props.field,
      trace: differenceTrace(after, before, pair.correspondence, query()),
    };
  });
  const weights = createMemo(() => {
    void props.version;
    const now = traced();
    return now === null ? null : now.field.row(now.vectors.head, now.trace.query);
  });

  /** The key for the order by contribution: the one pinned last, or else the one with the largest weight. */
  const reference = createMemo(() => {
    const now = traced();
    const row = weights();
    if (now === null || row === null) return null;
    const pin = state().pins.findLast((place) => place.side === "key")?.index;
    return pin !== undefined && now.trace.allowed[pin] === 1 ? pin : strongestKey(now.trace, row);
  });
  /** The rotary pairs of this layer; null if there are none or they are unknown. */
  const pairing = createMemo(() => {
    const now = vectors();
    const field = layer();
    const rotary = field && state().trace?.stacks[field.stack]?.rotary;
    return now === null || field === null ? null : pairingOf(rotary, field.layer, now.dim);
  });
  /** The order in use; an order that this layer does not support falls back to index order. */
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

  /** Whether value vectors are visible. */
  const valuesWanted = () =>
    open() && state().view.values === "shown" && layer() !== null && comparable() === null;
  createEffect(() => {
    const field = layer();
    const trace = state().trace?.trace;
    if (!valuesWanted() || field === null || trace === undefined) return;
    if (props.session.hello()?.can.includes("values"))
      void props.session.showValues(trace, field.stack, field.layer);
  });
  const request = createMemo(() => {
    const field = layer();
    const now = props.session.values();
    const here = field !== null && now?.key === `${state().trace?.trace} ${field.stack} ${field.layer}`;
    return valuesWanted() && here ? now : null;
  });
  const ownValues = createMemo(() => {
    const message = request()?.message ?? null;
    const field = layer();
    if (message === null || field === null || message.keys !== field.keys || message.heads !== field.heads)
      return null;
    const values = headValues(message, head());
    return { values, v: spanOf(values.v, FULL_COLOR_QUANTILE).usual };
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
  /** A note that the value vectors are loading, or why they are missing. */
  const valuesNote = (): string | null => {
    if (open() && state().view.values === "shown" && comparable() !== null)
      return "no differences of value vectors: choose before or after to see them";
    if (!valuesWanted()) return null;
    if (!props.session.hello()?.can.includes("values")) return "value vectors are not included in this page";
    return (
      request()?.refused ??
      request()?.message?.note ??
      (side() === null ? "value vectors are still loading" : null)
    );
  };

  const headSpans = createMemo(() => {
    const now = vectors();
    return now && { q: spanOf(now.q, FULL_COLOR_QUANTILE), k: spanOf(now.k, FULL_COLOR_QUANTILE) };
  });
  const fulls = createMemo<Fulls | null>(() => {
    const now = traced();
    const spans = headSpans();
    if (now === null || spans === null) return null;
    const { products, dots, bias, allowed } = now.trace;
    const unmasked = dots.filter((_, key) => allowed[key] === 1);
    return {
      q: spans.q.usual,
      k: spans.k.usual,
      product: spanOf(products, FULL_COLOR_QUANTILE).usual,
      dot: spanOf(unmasked.length > 0 ? unmasked : dots, 1).largest,
      bias: bias === null ? 0 : spanOf(bias, 1).largest,
    };
  });

  /** The maximum difference between scores summed from the cells and the scores behind the attention. */
  const check = createMemo(() => {
    void props.version;
    const now = traced();
    if (now === null) return null;
    const { vectors: from, trace, field } = now;
    const most = disagreement(trace, (key) => field.score(from.head, trace.query, key));
    const size = spanOf(trace.scores.filter(Number.isFinite), 1).largest;
    return { most, ok: most <= Math.max(1e-5, 8 * from.rounding * size) };
  });
  /** The error of q · k: measured if the host sent exact scores, or else a bound from rounding. */
  const error = createMemo(() => {
    const now = traced();
    if (now === null) return 0;
    const { vectors: from, trace, field } = now;
    if (trace.dotError !== undefined) return trace.dotError;
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
    return now === null || row === null || now.trace.signed ? null : sinkMass(now.vectors, row);
  });

  return {
    ...{ head, layer, missing, traced, weights, reference, pairing, orderName, order },
    ...{ side, valuesNote, fulls, check, error, sink },
  };
}
