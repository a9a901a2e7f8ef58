/** Turns the model view, as it is currently shown, into a figure. */

import { createRoot } from "solid-js";
import { droppedNotes } from "../../figures/droppedTokens";
import { type ModelLegend, modelFigure } from "../../figures/model";
import type { Figure, Subject } from "../../figures/sheet";
import { SCALE_TITLES } from "../../marks/scale";
import type { Scale } from "../../state/state";
import { createModelView } from "../model/createModelView";
import { signedRamp } from "../model/differenceStyle";
import { layerRanges, rangeText } from "../model/differenceWords";
import { markName } from "../model/headReadout";
import type { ThumbnailStyle } from "../model/thumbnailStyle";
import type { Page } from "../page/page";
import { arrangementOf, legendOf } from "./modelArrangement";
import { thumbnailPainter } from "./thumbnailPainter";

export function modelFigureOf(page: Page, subject: Subject, dark: boolean): Promise<Figure> {
  return createRoot((dispose) => {
    try {
      return drawFigure(page, subject, dark);
    } finally {
      dispose();
    }
  });
}

function drawFigure({ session, state }: Page, subject: Subject, dark: boolean): Promise<Figure> {
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
  const full = model.difference.full();
  const tinted = measure !== null && view.tint === "on";
  const own = `Each thumbnail is scaled to its own maximum${sinks.size > 0 ? `, not counting the ${model.sinkName()}` : ""}`;
  const notes = [
    ...(full === null || tinted
      ? weightNotes(look, scale, dark, own)
      : differenceNotes(look, scale, full, model.difference.unchanged().layers)),
    ...arrangement.notes,
    // Thumbnails store the maximum weight of each cell, not whole rows, so they cannot be renormalized.
    ...droppedNotes({
      ...{ sinks, sinkName: model.sinkName() },
      view: { filter, sinks: treatment === "shown" ? "shown" : "hidden" },
    }),
  ];
  if (pooled[0] > 1 || pooled[1] > 1)
    notes.push(`Each cell is the maximum of ${pooled[0]} × ${pooled[1]} weights`);
  return modelFigure({
    ...{ subject, ...arrangement, look, notes, dark },
    legend:
      legendOf(measure, view.tint, palette, dark) ?? differenceLegend(full, model.difference.name(), dark),
    mark: (cell) => markName(model.difference.changed()(cell)),
    compose: thumbnailPainter(layers, rules, look, {
      ...{ palette, scale, dark, tint, within },
      tintSigned: model.tintSigned(),
      differenceFull: model.difference.full(),
    }),
    selected: model.selected(),
    settings: {
      ...{ look, filter, scale, palette, sinks: treatment, pooled },
      ...{ measure: measure?.name ?? null, measured: view.measured, tint: view.tint, range: view.range },
      sort: measure === null ? "none" : view.sort,
      selected: [model.selected().layer, model.selected().heads],
    },
  });
}

function weightNotes(look: ThumbnailStyle, scale: Scale, dark: boolean, own: string): readonly string[] {
  const larger = dark ? "lighter" : "darker";
  return [
    look === "lines"
      ? `Thumbnails: query tokens on the left, key tokens on the right; ${larger} lines are larger weights`
      : `Thumbnails: rows are queries, columns are keys; ${larger} is larger (${SCALE_TITLES[scale]} scale)`,
    own,
  ];
}

function differenceNotes(
  look: ThumbnailStyle,
  scale: Scale,
  full: number,
  unchanged: readonly number[],
): readonly string[] {
  const layout =
    look === "lines"
      ? "Thumbnails: query tokens on the left, key tokens on the right"
      : "Thumbnails: rows are queries, columns are keys";
  if (full === 0) return [layout, "No weight differs; gray is the attention of the current pass"];
  const notes = [
    `${layout}; blue is larger after than before, orange smaller, on one ${SCALE_TITLES[scale]} scale for all heads, up to ${rangeText(full)}`,
    "Gray is the attention of the current pass, in each thumbnail up to its own maximum",
  ];
  if (unchanged.length > 0) notes.push(`In ${layerRanges(unchanged)} no weight differs`);
  return notes;
}

/** The colors of differences; null for weights. */
function differenceLegend(full: number | null, title: string, dark: boolean): ModelLegend | null {
  if (full === null || full === 0) return null;
  const range = rangeText(full);
  return { title, least: `−${range}`, most: `+${range}`, colors: signedRamp(256, dark) };
}
