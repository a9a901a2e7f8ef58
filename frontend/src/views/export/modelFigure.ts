/** The model view as it stands, as a figure. */

import { createRoot } from "solid-js";
import { droppedNotes } from "../../figures/droppedTokens";
import { modelFigure } from "../../figures/model";
import type { Figure, Subject } from "../../figures/sheet";
import { SCALE_TITLES } from "../../marks/scale";
import { createModelView } from "../model/createModelView";
import type { Page } from "../page/page";
import { arrangementOf, legendOf } from "./modelArrangement";
import { thumbnailPainter } from "./thumbnailPainter";

export function modelFigureOf(page: Page, subject: Subject, dark: boolean): Promise<Figure> {
  return createRoot((dispose) => {
    try {
      return drawn(page, subject, dark);
    } finally {
      dispose();
    }
  });
}

function drawn({ session, state }: Page, subject: Subject, dark: boolean): Promise<Figure> {
  const model = createModelView(session);
  const { view } = state();
  const { filter, scale, palette, sinks: treatment } = view;
  const rules = model.rules();
  const layers = model.layers();
  const look = model.look();
  const measure = model.measure();
  const [tint, within] = [model.tint(), model.within()];
  const { sinks } = rules;
  const arrangement = arrangementOf({
    ...{ heads: model.heads(), leftOut: model.stack()?.left_out ?? [], measure, within, view },
    ...{ count: model.count(), sinkName: model.sinkName(), hasSinks: sinks.size > 0 },
  });
  const pooled = layers.values().next().value?.pooled ?? [1, 1];
  const notes = [
    look === "lines"
      ? "Thumbnails: tokens that attend at the left, tokens attended to at the right, darker lines are heavier"
      : `Thumbnails: a row is a query, a column a key, ${dark ? "lighter" : "darker"} is heavier (${SCALE_TITLES[scale]} scale)`,
    `Each head is scaled to its own largest weight${sinks.size > 0 ? ` off the ${model.sinkName()}` : ""}`,
    ...arrangement.notes,
    // A thumbnail holds the largest weights of cells, not rows that could be brought back to a sum of 1.
    ...droppedNotes({
      ...{ sinks, sinkName: model.sinkName() },
      view: { filter, sinks: treatment === "shown" ? "shown" : "hidden" },
    }),
  ];
  if (pooled[0] > 1 || pooled[1] > 1) notes.push(`A cell is the largest of ${pooled[0]} × ${pooled[1]}`);
  return modelFigure({
    ...{ subject, ...arrangement, look, notes, dark },
    legend: legendOf(measure, view.tint, palette, dark),
    compose: thumbnailPainter(layers, rules, look, { palette, scale, dark, tint, within }),
    selected: model.selected(),
    settings: {
      ...{ look, filter, scale, palette, sinks: treatment, pooled },
      ...{ measure: measure?.name ?? null, measured: view.measured, tint: view.tint, range: view.range },
      sort: measure === null ? "none" : view.sort,
      selected: [model.selected().layer, model.selected().heads],
    },
  });
}
