/** The order, tint, and filter of the model figure, taken from the page, and the captions that describe them. */

import type { HeadCell, ModelLegend } from "../../figures/model";
import { inks } from "../../marks/composite";
import { counted } from "../../marks/format";
import type { HeadPlace, Palette, ViewSettings } from "../../state/state";
import { type ShownMeasure, signedText, valueText, withUnit } from "../model/measures";
import { placementOf } from "../model/placement";
import { tintColor } from "../model/thumbnailStyle";

export interface ModelOnShow {
  /** Heads of each layer; 0 for a layer without attention. */
  readonly heads: readonly number[];
  readonly leftOut: readonly number[];
  readonly measure: ShownMeasure | null;
  readonly within: (place: HeadPlace) => boolean;
  readonly count: { readonly all: number; readonly inside: number };
  readonly sinkName: string;
  readonly hasSinks: boolean;
  readonly view: Pick<ViewSettings, "measure" | "measured" | "sort" | "tint" | "range">;
}

export interface Arrangement {
  readonly cells: readonly HeadCell[];
  readonly rowNames: readonly string[];
  readonly columnNames: readonly string[];
  readonly absentRows: readonly number[];
  readonly title: string;
  /** What rows and columns mean; ends a sentence of the caption. */
  readonly order: string;
  readonly notes: readonly string[];
}

const MOST_ACROSS = 16;

export function arrangementOf(now: ModelOnShow): Arrangement {
  const { heads, leftOut, measure, within, count } = now;
  const sort = measure === null ? "none" : now.view.sort;
  const placement = placementOf({
    ...{ heads, leftOut, sort, within, value: measure?.value ?? null, blocks: 1 },
    across: Math.max(1, Math.min(MOST_ACROSS, Math.ceil(Math.sqrt(1.5 * count.all)))),
  });
  const label = ({ layer, head }: HeadPlace): string | null =>
    placement.labels === "none" ? null : placement.labels === "full" ? `${layer}.${head}` : String(head);
  const cells = placement.lines.flat().map((slot) => ({ ...slot, label: label(slot) }));
  const [block] = placement.blocks;
  return {
    cells,
    rowNames: block?.rowNumbers.map(({ text }) => text) ?? [],
    columnNames: block?.columnNumbers.map(({ text }) => text) ?? [],
    absentRows: placement.absent.map(({ row }) => row),
    title: cells.length < count.all ? `${cells.length} of ${count.all} heads` : `${cells.length} heads`,
    order: orderOf(sort, measure),
    notes: measureNotes(now, sort),
  };
}

function orderOf(sort: ViewSettings["sort"], measure: ShownMeasure | null): string {
  const by = measure?.title ?? "";
  if (sort === "heads") return `rows are layers, with their heads sorted by ${by}, largest first`;
  if (sort === "layers")
    return `rows are layers, columns are heads; layers are sorted by their mean ${by}, largest first`;
  if (sort === "ranking") return `all heads sorted by ${by}, largest first, row by row`;
  return "rows are layers, columns are heads";
}

function measureNotes(now: ModelOnShow, sort: ViewSettings["sort"]): readonly string[] {
  const { measure, view, count } = now;
  if (measure === null)
    return view.measure === null
      ? []
      : ["Heads are in model order and not tinted: the values of the selected measure are not available"];
  const { title, unit, bounds, values } = measure;
  const over = !now.hasSinks
    ? "over all keys"
    : view.measured === "off-sink"
      ? `without the ${now.sinkName}, on renormalized weights`
      : `over all keys, including the ${now.sinkName}`;
  const notes = [`${title} is computed ${over}`];
  if (bounds === null) return [...notes, "It is undefined for this input"];
  const [least, most] = bounds;
  if (view.tint === "on") {
    const what = measure.pass === null ? title : `${title} (${measure.pass})`;
    notes.push(`Backgrounds are tinted by ${what}, from ${valueText(least)} to ${withUnit(most, unit)}`);
    const undefinedHeads = count.all - values.length;
    if (undefinedHeads > 0)
      notes.push(`Hatched: ${counted(undefinedHeads, "head")} for which it is undefined`);
  }
  const [from, to] = view.range;
  if (from !== null || to !== null) {
    const range = `${valueText(from ?? least)} to ${withUnit(to ?? most, unit)}`;
    const others = sort === "ranking" ? "omitted" : "dimmed";
    notes.push(`${count.inside} of ${count.all} heads have ${title} from ${range}; the others are ${others}`);
  }
  return notes;
}

/** The tint’s colors and the values at both ends; null without a tint. */
export function legendOf(
  measure: ShownMeasure | null,
  tint: ViewSettings["tint"],
  palette: Palette,
  dark: boolean,
): ModelLegend | null {
  if (measure?.bounds == null || tint === "off") return null;
  const [least, most] = measure.bounds;
  return {
    title: measure.title,
    least: measure.signed ? signedText(least) : valueText(least),
    most: measure.signed && most > 0 ? `+${withUnit(most, measure.unit)}` : withUnit(most, measure.unit),
    colors: inks(
      Array.from({ length: 17 }, (_, at) =>
        tintColor(palette, dark, measure.signed ? at / 8 - 1 : at / 16, measure.signed),
      ),
    ),
  };
}
