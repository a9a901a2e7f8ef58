/** A view as it stands, as a figure. */

import { unitOf } from "../../compute/pairs";
import { Thumbnails } from "../../compute/thumbnails";
import { headFigure } from "../../figures/head";
import { matrixFigure } from "../../figures/matrix";
import { modelFigure } from "../../figures/model";
import { neuronFigure } from "../../figures/neuron";
import type { Figure, Subject } from "../../figures/sheet";
import { word } from "../../marks/format";
import { SCALE_TITLES } from "../../marks/scale";
import { headsOn, type Place } from "../../state/state";
import type { Surroundings } from "../context";
import { groundAndInk, lookOf, type Rules } from "../model/look";
import { meant } from "../neuron/say";
import type { Page } from "../page";
import { sinkKeys, sinkName } from "../reading";
import { orderNote } from "./notes";
import { thumbnailPainter } from "./thumbnails";

export type FigureKind = "model" | "head" | "matrix" | "neurons";

/** Why a figure cannot be drawn now; null where it can. */
export function obstacle({ page, neurons }: Surroundings, kind: FigureKind): string | null {
  if (page.trace() === null) return "Nothing is shown yet.";
  if (kind === "model") return page.session.overview() === null ? "The thumbnails are not here yet." : null;
  if (page.field() === null) return "The layer is not here yet.";
  if (kind === "matrix" && page.shown().heads.length !== 1)
    return "A matrix is of one head: turn the others off.";
  if (kind === "neurons" && neurons.traced() === null) return "There are no neurons on show.";
  return null;
}

/** Draws a view. Throws a sentence where there is nothing to draw. */
export async function figureOf(around: Surroundings, kind: FigureKind, dark: boolean): Promise<Figure> {
  const reason = obstacle(around, kind);
  if (reason !== null) throw new Error(reason);
  if (kind === "model") return modelOf(around.page, dark);
  if (kind === "neurons") return neuronsOf(around, dark);
  return headOf(around.page, kind, dark);
}

function subjectOf({ session, trace, state }: Page): Subject {
  const now = trace();
  const model = now?.model;
  const several = Object.keys(now?.stacks ?? {}).length > 1;
  return {
    model: model?.title ?? model?.name ?? "a saved trace",
    precision: [model?.quantisation, model?.dtype].filter((fact) => fact != null),
    text: now?.input.text ?? null,
    pair: now?.input.pair ?? null,
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
  if (field === null) throw new Error("The layer is not here yet.");
  const common = { subject: subjectOf(page), field, queries, keys, view, dark };
  if (kind === "matrix")
    return matrixFigure({
      ...common,
      ...sinksOf(page),
      head: heads[0] ?? 0,
      colours: groundAndInk({ look: "map", palette: view.palette, dark, tint: null, dimmed: false }),
    });
  const { token } = selection;
  const pinned = token !== null && pins.some((pin) => pin.side === token.side && pin.index === token.index);
  const places: readonly Place[] = token === null || pinned ? pins : [...pins, token];
  return headFigure({ ...common, heads, places, ...sinksOf(page) });
}

function modelOf(page: Page, dark: boolean): Promise<Figure> {
  const { view, selection } = page.state();
  const stack = page.stack();
  const { queries, keys } = page.shown();
  const { sinks, sinkName: name } = sinksOf(page);
  const overview = page.session.overview();
  const fits = overview?.trace === page.trace()?.trace && overview?.stack === selection.stack;
  const layers = new Map<number, Thumbnails>();
  if (fits) for (const [layer, message] of overview?.layers ?? []) layers.set(layer, new Thumbnails(message));
  const rules: Rules = { filter: view.filter, sinksHidden: view.sinks !== "shown", sinks, queries, keys };
  const look = lookOf(view.thumbnails, Math.max(queries.length, keys.length));
  const shapes = stack?.shapes ?? [];
  const cells = shapes.flatMap((shape, layer) =>
    Array.from({ length: shape?.heads ?? 0 }, (_, head) => ({ layer, head, row: layer, column: head })),
  );
  const pooled = layers.values().next().value?.pooled ?? [1, 1];
  const notes = [
    look === "lines"
      ? "Thumbnails: tokens that attend at the left, tokens attended to at the right, darker lines are heavier"
      : `Thumbnails: a row is a query, a column a key, ${dark ? "lighter" : "darker"} is heavier (${SCALE_TITLES[view.scale]} scale)`,
    `Each head is scaled to its own largest weight${sinks.size > 0 ? ` off the ${name}` : ""}`,
  ];
  if (view.sinks !== "shown" && sinks.size > 0) notes.push(`Without the ${name}`);
  if (view.filter !== "all") notes.push(`Only ${view.filter[0]} to ${view.filter[1]}`);
  if (pooled[0] > 1 || pooled[1] > 1) notes.push(`A cell is the largest of ${pooled[0]} × ${pooled[1]}`);
  return modelFigure({
    subject: subjectOf(page),
    cells,
    rowNames: shapes.map((_, layer) => String(layer)),
    columnNames: Array.from({ length: stack?.heads ?? 0 }, (_, head) => String(head)),
    compose: thumbnailPainter(layers, rules, look, { palette: view.palette, scale: view.scale, dark }),
    selected: { layer: selection.layer, heads: headsOn(page.state()) },
    look,
    notes,
    settings: {
      look,
      filter: view.filter,
      scale: view.scale,
      palette: view.palette,
      sinks: view.sinks,
      pooled,
      selected: [selection.layer, headsOn(page.state())],
    },
    dark,
  });
}

function neuronsOf({ page, neurons }: Surroundings, dark: boolean): Promise<Figure> {
  const traced = neurons.traced();
  const weights = neurons.weights();
  const fulls = neurons.fulls();
  if (traced === null || weights === null || fulls === null) throw new Error("There are no neurons on show.");
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
    without: traced.field.without.size > 0 ? sinkName(keys, page.stack()?.causal ?? false) : null,
    dotDigits: meant(neurons.error()),
    marked: selection.neuron === null ? [] : unitOf(neurons.pairing(), selection.neuron),
  });
}
