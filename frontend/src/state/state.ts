/** Everything the page shows, as one immutable value, and what follows from it. */

import type { TraceMessage } from "../wire/messages";

export type Side = "query" | "key";
export type SentenceFilter = "all" | "AA" | "AB" | "BA" | "BB";
/** How a weight becomes darkness; log: the last three decades of it. */
export type Scale = "linear" | "root" | "log";
export const SCALES: readonly Scale[] = ["linear", "root", "log"];
/** Colors of weights in heat maps and thumbnails. */
export type Palette = "blue" | "cividis" | "gray";
export const PALETTES: readonly Palette[] = ["blue", "cividis", "gray"];
/** In which order the dimensions of a head stand. */
export type Order = "index" | "contribution" | "wavelength";
export const ORDERS: readonly Order[] = ["index", "contribution", "wavelength"];
/** What becomes of the tokens that take up attention nobody needs; renormalized: the other weights of a row sum to 1. */
export type Sinks = "shown" | "hidden" | "renormalized";
export const SINKS: readonly Sinks[] = ["shown", "hidden", "renormalized"];
/** What the head view shows of an input with pictures: pictures and lines, or one of them. */
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

export interface Selection {
  readonly stack: string;
  readonly layer: number;
  /** Heads that are on, ascending; never empty once a trace is there. */
  readonly heads: readonly number[];
  /** The head whose neurons are shown; null for the first that is on. */
  readonly head: number | null;
  readonly token: Place | null;
  /** The dimension that is marked, of the head whose neurons are shown. */
  readonly neuron: number | null;
}

export interface ViewSettings {
  readonly filter: SentenceFilter;
  readonly scale: Scale;
  readonly sinks: Sinks;
  readonly palette: Palette;
  readonly theme: Theme;
  /** How the model view draws a head; auto: lines for short inputs. */
  readonly thumbnails: "auto" | "lines" | "map";
  /** Whether the neuron view shows the neurons or only the lines between tokens. */
  readonly neurons: "open" | "closed";
  readonly order: Order;
  /** Whether the neuron view shows the value side. */
  readonly values: "shown" | "hidden";
  /** How the head view stands: tokens in two columns, or in two rows, for scripts read across. */
  readonly orientation: "columns" | "rows";
  readonly pictures: Pictures;
  /** Weights below it are not drawn in the head view; from 0 to 1. */
  readonly threshold: number;
  /** How many of the heaviest keys of each row the head view draws; null for all. */
  readonly top: number | null;
  /** What the model view is tinted, sorted and filtered by; null: by nothing. A name from `hello.measures`, or `edge`. */
  readonly measure: string | null;
  /** Whether measures count the sinks. */
  readonly measured: "all" | "off-sink";
  readonly tint: "on" | "off";
  /** What the measure puts in order: heads within their layer, layers, or all heads as one list. */
  readonly sort: "none" | "heads" | "layers" | "ranking";
  /** The values of the measure that a head must lie between to be shown; null for no bound. */
  readonly range: readonly [number | null, number | null];
}

export type PanelName = "model" | "head" | "side";

/** Where the panels stand. It belongs to the address, not to the steps that can be taken back. */
export interface Frame {
  /** Widths that were dragged, CSS pixels; null for what fits. */
  readonly widths: { readonly model: number | null; readonly head: number | null };
  /** The panel that one is in: the tab on a narrow screen. */
  readonly at: PanelName;
  /** Whether the others are beside it. */
  readonly whole: "all" | "one";
  /** What the panel at the right shows. */
  readonly side: "neurons" | "weights" | "edges";
  /** Where the model view is zoomed to; null for all heads. */
  readonly camera: Camera | null;
}

/** A part of the model view: its center in columns and rows of heads, and how many times larger than all of them it is. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export interface AppState {
  /** The trace on show. */
  readonly trace: TraceMessage | null;
  readonly selection: Selection;
  readonly pins: readonly Place[];
  readonly view: ViewSettings;
  readonly frame: Frame;
}

export const EMPTY: AppState = {
  trace: null,
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

/** How many heads the selected layer has; 0 for a layer without attention. */
export function headCount(state: AppState): number {
  const stack = state.trace?.stacks[state.selection.stack];
  return stack?.shapes[state.selection.layer]?.heads ?? 0;
}

export function allHeads(state: AppState): readonly number[] {
  return Array.from({ length: headCount(state) }, (_, head) => head);
}

/** The heads that are on, as far as the selected layer has them; all where none is left. */
export function headsOn(state: AppState): readonly number[] {
  const on = state.selection.heads.filter((head) => head < headCount(state));
  return on.length > 0 ? on : allHeads(state);
}

/** The head whose neurons are shown: the one chosen, as long as it is on, else the first that is. */
export function neuronHead(state: AppState): number {
  const on = headsOn(state);
  const { head } = state.selection;
  return head !== null && on.includes(head) ? head : (on[0] ?? 0);
}

/** The edge that all heads are ranked by: the query and the key that were pinned last; null where one is missing. */
export function selectedEdge(state: AppState): { readonly query: number; readonly key: number } | null {
  const last = (side: Side) => state.pins.findLast((pin) => pin.side === side)?.index;
  const [query, key] = [last("query"), last("key")];
  return query === undefined || key === undefined ? null : { query, key };
}
