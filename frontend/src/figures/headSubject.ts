/** What a head figure is of, and how it is called and described. Pure. */

import type { LayerField } from "../compute/layerField";
import { headName, headsName, percent } from "../marks/format";
import { SCALE_TITLES } from "../marks/scale";
import type { Place, ViewSettings } from "../state/state";
import type { Token } from "../wire/messages";
import { droppedNotes } from "./droppedTokens";
import type { Subject } from "./sheet";

export interface HeadFigure {
  readonly subject: Subject;
  readonly field: LayerField;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly heads: readonly number[];
  readonly view: ViewSettings;
  readonly sinks: ReadonlySet<number>;
  readonly sinkName: string;
  /** Pinned and selected tokens: their lines stand out, and the tokens opposite to the last are shaded. */
  readonly places: readonly Place[];
  readonly dark: boolean;
}

export function titleOf({ field, heads }: HeadFigure): string {
  return heads.length === field.heads && heads.length > 1
    ? `Layer ${field.layer}, all ${field.heads} heads`
    : headsName(field.layer, heads).replace(/^./, (first) => first.toUpperCase());
}

export function nameOf({ field, heads }: HeadFigure): string {
  return heads.length === 1 ? `head-${headName(field.layer, heads[0])}` : `layer-${field.layer}`;
}

interface Left {
  readonly dropped: number;
  readonly raster: boolean;
  readonly queryRange: readonly [number, number];
  readonly keyRange: readonly [number, number];
}

export function notesOf(wanted: HeadFigure, left: Left): readonly string[] {
  const { view, places, subject, queries, keys } = wanted;
  const stack = subject.stack === "" ? "" : ` of the ${subject.stack}`;
  const notes = [
    `Attention of ${titleOf(wanted).replace(/^(Head|Layer)/, (name) => name.toLowerCase())}${stack}, from each token at the ${view.orientation === "rows" ? "top to those at the bottom" : "left to those at the right"}`,
    `Opacity is the weight, from 0 to 1 on a ${SCALE_TITLES[view.scale]} scale`,
  ];
  notes.push(...droppedNotes(wanted));
  const limits: string[] = [];
  if (view.threshold > 0) limits.push(`weights of ${Number(view.threshold.toPrecision(2))} and more`);
  if (view.top !== null) limits.push(`the ${view.top} heaviest keys of each query`);
  if (limits.length > 0) notes.push(`Only ${limits.join(" among ")}`);
  const cut = [left.queryRange, left.keyRange].some(
    ([first, last], at) => last - first < (at === 0 ? queries : keys).length,
  );
  if (cut) notes.push(`Only tokens ${left.queryRange[0]} to ${left.queryRange[1] - 1} of ${queries.length}`);
  if (left.dropped >= 0.005) notes.push(`${percent(left.dropped)} of the attention is not drawn`);
  if (places.length > 0) notes.push("Lines of the chosen tokens stand out");
  if (left.raster) notes.push("The lines are many, and drawn as an image");
  return notes;
}

export function settingsOf({ view, field, heads, places }: HeadFigure, lines: number) {
  const { scale, filter, sinks, threshold, top, orientation } = view;
  return {
    layer: field.layer,
    heads,
    scale,
    filter,
    sinks,
    threshold,
    top,
    orientation,
    tokens: places,
    lines,
  };
}
