/** A view as it stands, as a figure. */

import { unitOf } from "../../compute/rotaryPairs";
import { headFigure } from "../../figures/head";
import { matrixFigure } from "../../figures/matrix";
import { neuronFigure } from "../../figures/neuron";
import type { Figure, Subject } from "../../figures/sheet";
import { word } from "../../marks/format";
import type { Place } from "../../state/state";
import { groundAndInk } from "../model/thumbnailStyle";
import { meaningfulDecimals } from "../neuron/describe";
import type { Surroundings } from "../page/context";
import type { Page } from "../page/page";
import { sinkKeys, sinkName } from "../shared/weights";
import { modelFigureOf } from "./modelFigure";
import { orderNote } from "./orderNote";

const NO_LAYER = "The layer is not here yet.";
const NO_NEURONS = "There are no neurons on show.";

export type FigureKind = "model" | "head" | "matrix" | "neurons";

/** Why nothing can be saved now; null where something is on show. */
export function nothingShown(page: Page): string | null {
  return page.trace() === null ? "Nothing is shown yet." : null;
}

/** Why a figure cannot be drawn now; null where it can. */
export function obstacle({ page, neurons }: Surroundings, kind: FigureKind): string | null {
  const nothing = nothingShown(page);
  if (nothing !== null) return nothing;
  if (kind === "model") return page.session.overview() === null ? "The thumbnails are not here yet." : null;
  if (page.field() === null) return NO_LAYER;
  if (kind === "matrix" && page.shown().heads.length !== 1)
    return "A matrix is of one head: turn the others off.";
  if (kind === "neurons" && neurons.traced() === null) return NO_NEURONS;
  return null;
}

/** Draws a view. Throws a sentence where there is nothing to draw. */
export async function figureOf(around: Surroundings, kind: FigureKind, dark: boolean): Promise<Figure> {
  const reason = obstacle(around, kind);
  if (reason !== null) throw new Error(reason);
  if (kind === "model") return modelFigureOf(around.page, subjectOf(around.page), dark);
  if (kind === "neurons") return neuronsOf(around, dark);
  return headOf(around.page, kind, dark);
}

function subjectOf({ session, trace, state }: Page): Subject {
  const now = trace();
  const model = now?.model;
  const several = Object.keys(now?.stacks ?? {}).length > 1;
  return {
    model: model?.title ?? model?.name ?? "a saved trace",
    precision: [model?.quantization, model?.dtype].filter((fact) => fact != null),
    text: now?.input.text ?? null,
    pair: now?.input.pair ?? null,
    target: now?.input.target ?? null,
    edits: now?.edits ?? [],
    stack: several ? state().selection.stack : "",
    trace: now?.trace ?? "",
    version: session.hello()?.version ?? "",
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
      colors: groundAndInk({ look: "map", palette: view.palette, dark, tint: null, dimmed: false }),
    });
  const { token } = selection;
  const pinned = token !== null && pins.some((pin) => pin.side === token.side && pin.index === token.index);
  const places: readonly Place[] = token === null || pinned ? pins : [...pins, token];
  return headFigure({ ...common, heads, places, ...sinksOf(page) });
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
    marked: selection.neuron === null ? [] : unitOf(neurons.pairing(), selection.neuron),
  });
}
