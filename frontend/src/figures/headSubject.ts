/** The subject, title, file name and caption of a head figure. Pure. */

import type { LayerField } from "../compute/layerField";
import { headName, headsName, percent, word } from "../marks/format";
import { SCALE_TITLES } from "../marks/scale";
import type { Place, ViewSettings } from "../state/state";
import type { Token } from "../wire/messages";
import { droppedNotes } from "./droppedTokens";
import { scaleOf } from "./fieldColors";
import type { Subject } from "./sheet";

export interface MarkedEdge {
  readonly head: number;
  readonly query: number;
  readonly key: number;
  readonly weight: number;
  readonly text: string;
}

export interface HeadFigure {
  readonly subject: Subject;
  readonly field: LayerField;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly heads: readonly number[];
  readonly view: ViewSettings;
  readonly sinks: ReadonlySet<number>;
  readonly sinkName: string;
  /** Pinned and selected tokens, whose lines are highlighted. */
  readonly places: readonly Place[];
  /** The token whose opposite tokens are shaded. */
  readonly shaded: Place | null;
  /** The line that is outlined, with the number at it. */
  readonly marked: MarkedEdge | null;
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

interface Drawn {
  readonly dropped: number;
  readonly raster: boolean;
  readonly queryRange: readonly [number, number];
  readonly keyRange: readonly [number, number];
}

export function notesOf(wanted: HeadFigure, drawn: Drawn): readonly string[] {
  const { view, places, subject, queries, keys } = wanted;
  const stack = subject.stack === "" ? "" : ` of the ${subject.stack}`;
  const what = wanted.field.signed ? "Difference of the attention" : "Attention";
  const notes = [
    `${what} of ${titleOf(wanted).replace(/^(Head|Layer)/, (name) => name.toLowerCase())}${stack}, from the tokens ${view.orientation === "rows" ? "at the top to those at the bottom" : "on the left to those on the right"}`,
    wanted.field.signed
      ? `Blue lines are weights that are larger after than before, orange lines smaller ones; opacity shows the difference, up to 1 on a ${SCALE_TITLES[scaleOf(wanted.field, view.scale)]} scale`
      : `Opacity shows the weight, from 0 to 1 on a ${SCALE_TITLES[view.scale]} scale`,
  ];
  notes.push(...droppedNotes(wanted));
  const numbers = wanted.field.signed ? "differences" : "weights";
  const limits: string[] = [];
  if (view.threshold > 0) limits.push(`${numbers} of at least ${Number(view.threshold.toPrecision(2))}`);
  if (view.top !== null) limits.push(`the ${view.top} largest ${numbers} of each query`);
  if (limits.length > 0) notes.push(`Only ${limits.join(" among ")} are drawn`);
  const cut = [drawn.queryRange, drawn.keyRange].some(
    ([first, last], at) => last - first < (at === 0 ? queries : keys).length,
  );
  const [first, end] = drawn.queryRange;
  if (cut) notes.push(`Only tokens ${first} to ${end - 1} of ${queries.length} are shown`);
  if (drawn.dropped >= 0.005)
    notes.push(
      wanted.field.signed
        ? `${percent(drawn.dropped)} of all differences, by size, is not drawn`
        : `${percent(drawn.dropped)} of the attention is not drawn`,
    );
  if (places.length > 0) notes.push("Lines of the selected tokens are highlighted");
  if (wanted.marked !== null) notes.push(markedNote(wanted, wanted.marked));
  if (drawn.raster) notes.push("Because there are many lines, they are drawn as an image");
  return notes;
}

/** `The outlined line is that of head 9.4 from “She” (8) to “nurse” (4): .47`. */
function markedNote({ field, queries, keys }: HeadFigure, { head, query, key, text }: MarkedEdge): string {
  const ends = `from “${word(queries[query])}” (${query}) to “${word(keys[key])}” (${key})`;
  return `The outlined line is that of ${headsName(field.layer, [head])} ${ends}: ${text}`;
}

export function settingsOf({ view, field, heads, places, marked }: HeadFigure, lines: number) {
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
    edge: marked,
    lines,
  };
}
