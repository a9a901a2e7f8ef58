/** Turns a view, as it is currently shown, into a figure. */

import { unitOf } from "../../compute/rotaryPairs";
import { edgeRankingFigure } from "../../figures/edgeRanking";
import { headFigure } from "../../figures/head";
import { matrixFigure } from "../../figures/matrix";
import { neuronFigure } from "../../figures/neuron";
import type { Baseline, Figure, Subject } from "../../figures/sheet";
import { word } from "../../marks/format";
import { differenceName } from "../../state/fieldNames";
import { type AppState, chosenPlace, type Place } from "../../state/state";
import { groundAndInk } from "../model/thumbnailStyle";
import { meaningfulDecimals } from "../neuron/describe";
import type { Surroundings } from "../page/context";
import type { Page } from "../page/page";
import { pairEdge, sinkKeys, sinkName, statedEdge } from "../shared/weights";
import { modelFigureOf } from "./modelFigure";
import { orderNote } from "./orderNote";

export const NO_LAYER = "The layer is still loading.";
export const NO_NEURONS = "No neurons are shown.";
/** Why there is no ranking of heads for a pair. */
export const NO_PAIR = "Pin a token on each side first.";

export type FigureKind = "model" | "head" | "matrix" | "neurons" | "edges";

/** Why nothing can be exported right now; null if there is something to export. */
export function nothingShown(page: Page): string | null {
  return page.trace() === null ? "There is nothing to export yet." : null;
}

/** Why a figure cannot be drawn right now; null if it can. */
export function obstacle({ page, neurons, edges }: Surroundings, kind: FigureKind): string | null {
  const nothing = nothingShown(page);
  if (nothing !== null) return nothing;
  if (kind === "model") return page.session.overview() === null ? "The thumbnails are still loading." : null;
  if (kind === "edges") return edges.rows() === null ? NO_PAIR : null;
  if (page.field() === null) return NO_LAYER;
  if (kind === "matrix" && page.shown().heads.length !== 1)
    return "A matrix shows a single head. Turn the other heads off.";
  if (kind === "neurons" && neurons.traced() === null) return NO_NEURONS;
  if (kind === "neurons" && neurons.traced()?.trace.signed)
    return "The figure of neurons shows one pass: choose before or after.";
  return null;
}

/** Draws the figure of a view. Throws an error with a message for the user if there is nothing to draw. */
export async function figureOf(context: Surroundings, kind: FigureKind, dark: boolean): Promise<Figure> {
  const reason = obstacle(context, kind);
  if (reason !== null) throw new Error(reason);
  if (kind === "model") return modelFigureOf(context.page, subjectOf(context.page), dark);
  if (kind === "neurons") return neuronsOf(context, dark);
  if (kind === "edges") return edgesOf(context, dark);
  return headOf(context.page, kind, dark);
}

export function subjectOf({ session, trace, state }: Page): Subject {
  const now = trace();
  const model = now?.model;
  const several = Object.keys(now?.stacks ?? {}).length > 1;
  return {
    model: model?.title ?? model?.name ?? "a saved trace",
    modelName: model?.name ?? null,
    precision: [model?.quantization, model?.dtype].filter((fact) => fact != null),
    text: now?.input.text ?? null,
    pair: now?.input.pair ?? null,
    target: now?.input.target ?? null,
    edits: now?.edits ?? [],
    stack: several ? state().selection.stack : "",
    trace: now?.trace ?? "",
    baseline: baselineOf(state()),
    version: session.hello()?.version ?? "",
  };
}

/** The pass that is subtracted, if differences are shown. */
function baselineOf({ comparison, field }: AppState): Baseline | null {
  if (comparison === null || field !== "difference") return null;
  const { edits, input, model, trace } = comparison.baseline;
  return {
    difference: differenceName(comparison),
    ...{ model: model.title ?? model.name ?? "a saved trace", trace, edits: edits ?? [] },
    ...{ text: input.text, pair: input.pair ?? null, target: input.target ?? null },
  };
}

function sinksOf(page: Page): { readonly sinks: ReadonlySet<number>; readonly sinkName: string } {
  const causal = page.stack()?.causal ?? false;
  const { keys } = page.shown();
  return { sinks: sinkKeys(keys, causal), sinkName: sinkName(keys, causal) };
}

function headOf(page: Page, kind: "head" | "matrix", dark: boolean): Promise<Figure> {
  const { queries, keys, heads } = page.shown();
  const { view, pins, selection } = page.state();
  const field = page.field();
  if (field === null) throw new Error(NO_LAYER);
  const common = { subject: subjectOf(page), field, queries, keys, view, dark };
  if (kind === "matrix")
    return matrixFigure({
      ...common,
      ...sinksOf(page),
      head: heads[0] ?? 0,
      colors: groundAndInk({
        look: "map",
        palette: view.palette,
        dark,
        tint: null,
        tintSigned: false,
        dimmed: false,
      }),
    });
  const { token } = selection;
  const pinned = token !== null && pins.some((pin) => pin.side === token.side && pin.index === token.index);
  const places: readonly Place[] = token === null || pinned ? pins : [...pins, token];
  const shaded = chosenPlace(page.state());
  const edge = shaded === null ? null : pairEdge(field, heads, pins, shaded);
  const marked = edge === null ? null : { ...edge, ...statedEdge(field, edge) };
  return headFigure({ ...common, heads, places, shaded, marked, ...sinksOf(page) });
}

function neuronsOf({ page, neurons }: Surroundings, dark: boolean): Promise<Figure> {
  const traced = neurons.traced();
  const weights = neurons.weights();
  const fulls = neurons.fulls();
  if (traced === null || weights === null || fulls === null) throw new Error(NO_NEURONS);
  const { queries, keys } = page.shown();
  const { view, selection } = page.state();
  const key = neurons.reference();
  const reference = key === null ? null : `“${word(keys[key])}” (token ${key})`;
  return neuronFigure({
    ...{
      subject: subjectOf(page),
      stackLayer: traced.field.layer,
      vectors: traced.vectors,
      trace: traced.trace,
    },
    ...{ weights, queries, keys, order: neurons.order(), fulls, dark },
    view: { ...view, order: neurons.orderName() },
    ...{ orderNote: orderNote(neurons.orderName(), neurons.pairing(), reference), side: neurons.side() },
    without:
      traced.field.without.size > 0
        ? { keys: traced.field.without, name: sinkName(keys, page.stack()?.causal ?? false) }
        : null,
    missing: neurons.side() === null ? neurons.valuesNote() : null,
    dotDigits: meaningfulDecimals(neurons.error()),
    scoreError: neurons.error() * traced.vectors.data.scaling,
    marked: selection.neuron === null ? [] : unitOf(neurons.pairing(), selection.neuron),
  });
}

function edgesOf({ page, edges }: Surroundings, dark: boolean): Figure {
  const [edge, rows] = [edges.edge(), edges.rows()];
  if (edge === null || rows === null) throw new Error(NO_PAIR);
  const { queries, keys } = page.shown();
  return edgeRankingFigure({
    ...{ subject: subjectOf(page), ...edge, queries, keys, rows, dark },
    without: edges.offSink() ? edges.sinkName() : null,
  });
}
