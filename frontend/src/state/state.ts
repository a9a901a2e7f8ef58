/** The state of the page as one immutable value, and values derived from it. */

import type { AlignMessage, Edit, TraceMessage } from "../wire/messages";

export type Side = "query" | "key";
export type SentenceFilter = "all" | "AA" | "AB" | "BA" | "BB";
/** How a weight maps to darkness; `log` covers three decades. */
export type Scale = "linear" | "root" | "log";
export const SCALES: readonly Scale[] = ["linear", "root", "log"];
/** Colors of weights in heat maps and thumbnails. */
export type Palette = "blue" | "cividis" | "gray";
export const PALETTES: readonly Palette[] = ["blue", "cividis", "gray"];
/** Order of the dimensions of a head. */
export type Order = "index" | "contribution" | "wavelength";
export const ORDERS: readonly Order[] = ["index", "contribution", "wavelength"];
/** What to do with attention sinks; `renormalized` hides them and rescales each row to a sum of 1. */
export type Sinks = "shown" | "hidden" | "renormalized";
export const SINKS: readonly Sinks[] = ["shown", "hidden", "renormalized"];
/** What the head view shows for an input with images: images and lines, images alone, or no images. */
export type Pictures = "both" | "alone" | "hidden";
export const PICTURES: readonly Pictures[] = ["both", "alone", "hidden"];
export type Theme = "auto" | "light" | "dark";

export interface Place {
  readonly side: Side;
  readonly index: number;
}

export interface HeadPlace {
  readonly layer: number;
  readonly head: number;
}

/** A query and a key. */
export interface Pair {
  readonly query: number;
  readonly key: number;
}

export interface Selection {
  readonly stack: string;
  readonly layer: number;
  /** Heads that are on, ascending; empty means all. */
  readonly heads: readonly number[];
  /** The head whose neurons are shown; null for the first head that is on. */
  readonly head: number | null;
  readonly token: Place | null;
  /** The marked dimension of the head whose neurons are shown. */
  readonly neuron: number | null;
}

export interface ViewSettings {
  readonly filter: SentenceFilter;
  readonly scale: Scale;
  readonly sinks: Sinks;
  readonly palette: Palette;
  readonly theme: Theme;
  /** How the model view draws a head; `auto` uses lines for short inputs. */
  readonly thumbnails: "auto" | "lines" | "map";
  /** Whether the neuron view shows the neurons or only the lines between tokens. */
  readonly neurons: "open" | "closed";
  readonly order: Order;
  /** Whether the neuron view shows value vectors. */
  readonly values: "shown" | "hidden";
  /** Whether the head view puts tokens in two columns or in two rows. */
  readonly orientation: "columns" | "rows";
  readonly pictures: Pictures;
  /** The head view does not draw smaller weights; from 0 to 1. */
  readonly threshold: number;
  /** How many keys the head view draws per row, largest weight first; null for all. */
  readonly top: number | null;
  /** The measure that tints, sorts, and filters the model view: a name from `hello.measures`, `edge`, or null for none. */
  readonly measure: string | null;
  /** Whether measures include the sinks. */
  readonly measured: "all" | "off-sink";
  readonly tint: "on" | "off";
  /** What the measure sorts: heads within their layer, layers, or all heads as one ranking. */
  readonly sort: "none" | "heads" | "layers" | "ranking";
  /** Heads outside this range of the measure are dimmed or omitted; null for no bound. */
  readonly range: readonly [number | null, number | null];
}

export type PanelName = "model" | "head" | "side";

export type SideName = "neurons" | "weights" | "edges" | "effect";
export const SIDES: readonly SideName[] = ["neurons", "weights", "edges", "effect"];

/** The arrangement of the panels. It is part of the address but not of undo. */
export interface Frame {
  /** Widths set by dragging, CSS pixels; null for automatic. */
  readonly widths: { readonly model: number | null; readonly head: number | null };
  /** The current panel: the selected tab on a narrow screen. */
  readonly at: PanelName;
  /** Whether all panels are shown side by side, or only the current one. */
  readonly whole: "all" | "one";
  /** What the panel on the right shows. */
  readonly side: SideName;
  /** What the model view is zoomed in on; null for all heads. */
  readonly camera: Camera | null;
}

/** A part of the model view: its center in columns and rows of heads, and the magnification relative to showing all. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

/** Which numbers the views show: those of the baseline, of the current pass, or the current ones minus the baseline's. */
export type Field = "before" | "after" | "difference";
export const FIELDS: readonly Field[] = ["before", "after", "difference"];

/** An edit that the user wants made. A muted one stays in the list and is not made. */
export interface Change {
  readonly edit: Edit;
  readonly muted: boolean;
}

/** Where the baseline comes from: the same input without changes, another prompt, another model, a file, or a pass kept. */
export const BASELINE_KINDS = ["unchanged", "prompt", "model", "saved", "kept"] as const;
export type BaselineKind = (typeof BASELINE_KINDS)[number];

/** Which tokens, layers and heads of two passes correspond. */
export type Alignment = Pick<
  AlignMessage,
  "trace" | "baseline" | "identical" | "sides" | "substituted" | "stacks" | "notes"
>;

/** Two passes, of which one is the baseline of the other. */
export interface Comparison {
  readonly kind: BaselineKind;
  readonly baseline: TraceMessage;
  readonly current: TraceMessage;
  /** Which tokens, layers and heads correspond; null until it is known. */
  readonly alignment: Alignment | null;
}

export interface AppState {
  /** The shown pass: of two compared ones, the baseline if `field` is "before", otherwise the current one. */
  readonly trace: TraceMessage | null;
  /** The two passes; null if there is only one. */
  readonly comparison: Comparison | null;
  readonly field: Field;
  /** The edits that the user wants made, in order. */
  readonly changes: readonly Change[];
  readonly selection: Selection;
  readonly pins: readonly Place[];
  readonly view: ViewSettings;
  readonly frame: Frame;
}

export const EMPTY: AppState = {
  trace: null,
  comparison: null,
  field: "after",
  changes: [],
  selection: { stack: "", layer: 0, heads: [], head: null, token: null, neuron: null },
  pins: [],
  view: {
    filter: "all",
    scale: "linear",
    sinks: "shown",
    palette: "blue",
    theme: "auto",
    thumbnails: "auto",
    neurons: "open",
    order: "index",
    values: "hidden",
    orientation: "columns",
    pictures: "both",
    threshold: 0,
    top: null,
    measure: null,
    measured: "all",
    tint: "on",
    sort: "none",
    range: [null, null],
  },
  frame: { widths: { model: null, head: null }, at: "head", whole: "all", side: "neurons", camera: null },
};

/** The pass that `field` shows. */
export function passShown(comparison: Comparison, field: Field): TraceMessage {
  return field === "before" ? comparison.baseline : comparison.current;
}

/** The pass that the changes lead to: the current one of two, otherwise the only one. */
export function currentPass({
  comparison,
  trace,
}: Pick<AppState, "comparison" | "trace">): TraceMessage | null {
  return comparison?.current ?? trace;
}

/** The edits that are made: those that are not muted. */
export function editsMade(changes: readonly Change[]): readonly Edit[] {
  return changes.filter(({ muted }) => !muted).map(({ edit }) => edit);
}

/** How many heads the selected layer has; 0 for a layer without attention. */
export function headCount(state: AppState): number {
  const stack = state.trace?.stacks[state.selection.stack];
  return stack?.shapes[state.selection.layer]?.heads ?? 0;
}

export function allHeads(state: AppState): readonly number[] {
  return Array.from({ length: headCount(state) }, (_, head) => head);
}

/** The heads that are on and exist in the selected layer; all heads if there are none. */
export function headsOn(state: AppState): readonly number[] {
  const on = state.selection.heads.filter((head) => head < headCount(state));
  return on.length > 0 ? on : allHeads(state);
}

/** The head whose neurons are shown: the chosen one if it is on, else the first head that is on. */
export function neuronHead(state: AppState): number {
  const on = headsOn(state);
  const { head } = state.selection;
  return head !== null && on.includes(head) ? head : (on[0] ?? 0);
}

/** The token whose opposite tokens are shaded, unless the pointer is on another: the selected one, else the one pinned last. */
export function chosenPlace({ pins, selection }: Pick<AppState, "pins" | "selection">): Place | null {
  return selection.token ?? pins.at(-1) ?? null;
}

/** A token together with the one pinned last on the other side; null if none is pinned there. */
export function pairAt(
  pins: readonly Place[],
  place: Place,
): { readonly query: number; readonly key: number } | null {
  const other = pins.findLast((pin) => pin.side !== place.side)?.index;
  if (other === undefined) return null;
  return place.side === "query" ? { query: place.index, key: other } : { query: other, key: place.index };
}

/** The edge that all heads are ranked by: the query and the key pinned last; null if either is missing. */
export function selectedEdge(state: AppState): Pair | null {
  const last = (side: Side) => state.pins.findLast((pin) => pin.side === side)?.index;
  const [query, key] = [last("query"), last("key")];
  return query === undefined || key === undefined ? null : { query, key };
}

/** An edge of the shown pass in the other one of two; null where one of its tokens has no counterpart. */
export function edgeBeside({ comparison, field, selection, trace }: AppState, edge: Pair): Pair | null {
  const sides = comparison?.alignment?.sides;
  const stack = trace?.stacks[selection.stack];
  if (sides === undefined || stack === undefined) return null;
  const to = (side: string, index: number) =>
    field === "before" ? sides[side]?.indexOf(index) : sides[side]?.[index];
  const [query, key] = [to(stack.query, edge.query) ?? -1, to(stack.key, edge.key) ?? -1];
  return query < 0 || key < 0 ? null : { query, key };
}
