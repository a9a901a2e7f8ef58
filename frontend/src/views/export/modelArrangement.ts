/** How the model figure stands: its order, its tint and its filter, as the page has them, and the words for them. Pure. */

import type { HeadCell, ModelLegend } from "../../figures/model";
import { inks } from "../../marks/composite";
import type { HeadPlace, Palette, ViewSettings } from "../../state/state";
import { type ShownMeasure, valueText, withUnit } from "../model/measures";
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
  /** What rows and columns are: the end of a sentence. */
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
  if (sort === "heads") return `a row is a layer, its heads by ${by}, the largest first`;
  if (sort === "layers")
    return `a row is a layer, a column a head, the layers by their mean ${by}, the largest first`;
  if (sort === "ranking") return `all heads by ${by}, the largest first, row by row`;
  return "a row is a layer, a column a head";
}

function measureNotes(now: ModelOnShow, sort: ViewSettings["sort"]): readonly string[] {
  const { measure, view, count } = now;
  if (measure === null)
    return view.measure === null
      ? []
      : ["In the model's order, untinted: the values of the measure chosen are not here"];
  const { title, unit, bounds, values } = measure;
  const over = !now.hasSinks
    ? "over all keys"
    : view.measured === "off-sink"
      ? `without the ${now.sinkName}, the rest brought back to a sum of 1`
      : `over all keys, the ${now.sinkName} among them`;
  const notes = [`${title} is ${over}`];
  if (bounds === null) return [...notes, "It is not defined for this input"];
  const [least, most] = bounds;
  if (view.tint === "on") {
    notes.push(`Grounds are tinted by ${title}, from ${valueText(least)} to ${withUnit(most, unit)}`);
    const none = count.all - values.length;
    if (none > 0) notes.push(`Hatched: ${none} heads of which it is not defined`);
  }
  const [from, to] = view.range;
  if (from !== null || to !== null) {
    const range = `${valueText(from ?? least)} to ${withUnit(to ?? most, unit)}`;
    const others = sort === "ranking" ? "left out" : "dimmed";
    notes.push(`${count.inside} of ${count.all} heads have ${title} from ${range}; the others are ${others}`);
  }
  return notes;
}

/** The colors of the tint with the values at their ends; null without a tint. */
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
    least: valueText(least),
    most: withUnit(most, measure.unit),
    colors: inks(Array.from({ length: 17 }, (_, at) => tintColor(palette, dark, at / 16))),
  };
}
