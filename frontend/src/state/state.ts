/** Everything the page shows, as one immutable value, and the steps that lead from one to the next. */

import type { TraceMessage } from "../wire/messages";

export type Side = "query" | "key";
export type SentenceFilter = "all" | "AA" | "AB" | "BA" | "BB";
/** How a weight becomes darkness; log: the last three decades of it. */
export type Scale = "linear" | "root" | "log";
export const SCALES: readonly Scale[] = ["linear", "root", "log"];
/** Colours of weights in heat maps and thumbnails. */
export type Palette = "blue" | "cividis" | "grey";
export const PALETTES: readonly Palette[] = ["blue", "cividis", "grey"];
/** In which order the dimensions of a head stand. */
export type Order = "index" | "contribution" | "wavelength";
export const ORDERS: readonly Order[] = ["index", "contribution", "wavelength"];
/** What becomes of the tokens that take up attention nobody needs; renormalised: the other weights of a row sum to 1. */
export type Sinks = "shown" | "hidden" | "renormalised";
export const SINKS: readonly Sinks[] = ["shown", "hidden", "renormalised"];
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

/** A part of the model view: its centre in columns and rows of heads, and how many times larger than all of them it is. */
export interface Camera {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

export interface AppState {
  readonly traces: Readonly<Record<string, TraceMessage>>;
  /** The trace on show. */
  readonly trace: string | null;
  readonly baseline: string | null;
  readonly field: "attention";
  readonly selection: Selection;
  readonly pins: readonly Place[];
  readonly edits: readonly never[];
  readonly view: ViewSettings;
  readonly frame: Frame;
}

export const EMPTY: AppState = {
  traces: {},
  trace: null,
  baseline: null,
  field: "attention",
  selection: { stack: "", layer: 0, heads: [], head: null, token: null, neuron: null },
  pins: [],
  edits: [],
  view: {
    ...{ filter: "all", scale: "linear", sinks: "shown", palette: "blue", theme: "auto" },
    ...{ thumbnails: "auto", neurons: "open", order: "index", values: "hidden" },
    ...{ orientation: "columns", pictures: "both", threshold: 0, top: null },
    ...{ measure: null, measured: "all", tint: "on", sort: "none", range: [null, null] },
  },
  frame: { widths: { model: null, head: null }, at: "head", whole: "all", side: "neurons", camera: null },
};

export type Action =
  | { readonly type: "traced"; readonly trace: TraceMessage; readonly select?: Partial<Selection> }
  | { readonly type: "certified"; readonly trace: string; readonly certificate: TraceMessage["certificate"] }
  | { readonly type: "layer"; readonly layer: number }
  | { readonly type: "stack"; readonly stack: string }
  | { readonly type: "head"; readonly layer: number; readonly head: number }
  | { readonly type: "add-head"; readonly layer: number; readonly head: number }
  | { readonly type: "heads"; readonly heads: readonly number[] }
  | { readonly type: "toggle-head"; readonly head: number }
  | { readonly type: "isolate-head"; readonly head: number }
  | { readonly type: "neuron-head"; readonly head: number }
  | { readonly type: "neuron"; readonly neuron: number | null }
  | { readonly type: "token"; readonly token: Place | null }
  | { readonly type: "pin"; readonly place: Place }
  | { readonly type: "pins"; readonly pins: readonly Place[] }
  | { readonly type: "edge"; readonly query: number; readonly key: number }
  | { readonly type: "view"; readonly view: Partial<ViewSettings> }
  | { readonly type: "frame"; readonly frame: Partial<Frame> };

/** Steps that a person can take back. */
export function undoable(action: Action): boolean {
  if (action.type === "view") return action.view.theme === undefined;
  return !["traced", "certified", "token", "frame"].includes(action.type);
}

export function reduce(state: AppState, action: Action): AppState {
  switch (action.type) {
    case "traced":
      return traced(state, action.trace, action.select ?? {});
    case "certified": {
      const trace = state.traces[action.trace];
      if (trace === undefined) return state;
      const certified = { ...trace, certificate: action.certificate };
      return { ...state, traces: { ...state.traces, [action.trace]: certified } };
    }
    case "layer":
      return select(state, { layer: action.layer });
    case "stack":
      return turned(state, action.stack);
    case "head":
      return select(state, { layer: action.layer, heads: [action.head] });
    case "add-head":
      // Only heads of one layer lie over each other.
      return action.layer === state.selection.layer
        ? select(state, { heads: toggled(headsOn(state), action.head) })
        : select(state, { layer: action.layer, heads: [action.head] });
    case "heads":
      return select(state, { heads: action.heads });
    case "toggle-head":
      return select(state, { heads: toggled(headsOn(state), action.head) });
    case "isolate-head": {
      const alone = headsOn(state).length === 1 && headsOn(state)[0] === action.head;
      return select(state, { heads: alone ? allHeads(state) : [action.head] });
    }
    case "neuron-head":
      return select(state, { head: action.head });
    case "neuron":
      return select(state, { neuron: action.neuron });
    case "token":
      return select(state, { token: action.token });
    case "pin":
      return { ...state, pins: togglePin(state.pins, action.place) };
    case "pins":
      return { ...state, pins: action.pins };
    case "edge":
      return {
        ...select(state, { token: { side: "query", index: action.query } }),
        pins: [
          { side: "query", index: action.query },
          { side: "key", index: action.key },
        ],
      };
    case "view":
      return { ...state, view: { ...state.view, ...action.view } };
    case "frame":
      return { ...state, frame: { ...state.frame, ...action.frame } };
  }
}

/** The trace on show. */
export function currentTrace(state: AppState): TraceMessage | null {
  return state.trace === null ? null : (state.traces[state.trace] ?? null);
}

/** How many heads the selected layer has; 0 for a layer without attention. */
export function headCount(state: AppState): number {
  const stack = currentTrace(state)?.stacks[state.selection.stack];
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

function select(state: AppState, part: Partial<Selection>): AppState {
  const selection = { ...state.selection, ...part };
  const layers = currentTrace(state)?.stacks[selection.stack]?.layers ?? 1;
  const wished = Math.max(0, Math.min(layers - 1, selection.layer));
  const layer = presentLayer(state, selection.stack, wished, Math.sign(wished - state.selection.layer));
  const next: AppState = { ...state, selection: { ...selection, layer } };
  // A dimension belongs to its head: with another one on show the mark would be on a stranger.
  const same =
    selection.stack === state.selection.stack &&
    layer === state.selection.layer &&
    neuronHead(next) === neuronHead(state);
  return same ? next : { ...next, selection: { ...next.selection, neuron: null } };
}

/** The layer nearest to `layer` that has attention here, first in the direction of a step. */
function presentLayer(state: AppState, name: string, layer: number, step: number): number {
  const stack = currentTrace(state)?.stacks[name];
  const isThere = (at: number) => stack?.shapes[at] != null;
  if (stack === undefined || isThere(layer)) return layer;
  for (const way of step < 0 ? [-1, 1] : [1, -1]) {
    for (let at = layer + way; at >= 0 && at < stack.layers; at += way) if (isThere(at)) return at;
  }
  return layer;
}

/** Another stack: tokens that it shares with the one before stay selected and pinned. */
function turned(state: AppState, name: string): AppState {
  const stacks = currentTrace(state)?.stacks;
  const [from, to] = [stacks?.[state.selection.stack], stacks?.[name]];
  const carried = ({ side, index }: Place): Place | null => {
    const tokens = side === "query" ? from?.query : from?.key;
    const other: Side = side === "query" ? "key" : "query";
    if (tokens === undefined || to === undefined) return null;
    if ((side === "query" ? to.query : to.key) === tokens) return { side, index };
    return (other === "query" ? to.query : to.key) === tokens ? { side: other, index } : null;
  };
  const { token } = state.selection;
  const next = select(state, { stack: name, layer: 0, heads: [], head: null, token: null });
  const kept = token === null ? null : carried(token);
  return {
    ...next,
    selection: { ...next.selection, token: kept },
    pins: state.pins.flatMap((pin) => carried(pin) ?? []),
  };
}

function toggled(on: readonly number[], head: number): readonly number[] {
  if (!on.includes(head)) return [...on, head].sort((a, b) => a - b);
  return on.length === 1 ? on : on.filter((other) => other !== head);
}

function togglePin(pins: readonly Place[], place: Place): readonly Place[] {
  const others = pins.filter((pin) => pin.side !== place.side || pin.index !== place.index);
  return others.length < pins.length ? others : [...pins, place];
}

/** A new trace on show: what was selected stays where the new trace has it too, but for what is to be selected anew. */
function traced(state: AppState, trace: TraceMessage, anew: Partial<Selection>): AppState {
  const names = Object.keys(trace.stacks);
  const before = currentTrace(state);
  const stack = names.includes(state.selection.stack) ? state.selection.stack : (names[0] ?? "");
  const sameModel =
    before === null || (before.model.name ?? before.model.title) === (trace.model.name ?? trace.model.title);
  const sameTokens = before !== null && sameWords(before, trace);
  const kept = state.baseline === null ? {} : { [state.baseline]: state.traces[state.baseline] };
  const next: AppState = {
    ...state,
    traces: { ...kept, [trace.trace]: trace },
    trace: trace.trace,
    pins: sameTokens || before === null ? state.pins : [],
    view: { ...state.view, filter: trace.input.pair ? state.view.filter : "all" },
    selection: {
      ...state.selection,
      stack,
      heads: sameModel ? state.selection.heads : [],
      head: sameModel ? state.selection.head : null,
      neuron: sameModel ? state.selection.neuron : null,
      token: sameTokens || before === null ? state.selection.token : null,
      ...anew,
    },
  };
  return fitted(next);
}

/** The state with what is selected kept within its trace: an earlier step may have been of a longer text. */
export function fitted(state: AppState): AppState {
  const stacks = Object.keys(currentTrace(state)?.stacks ?? {});
  const { stack, token } = state.selection;
  const known = stacks.includes(stack) || stacks.length === 0 ? stack : stacks[0];
  const next = { ...state, selection: { ...state.selection, stack: known } };
  return {
    ...select(next, { token: token !== null && withinTokens(next, token) ? token : null }),
    pins: next.pins.filter((pin) => withinTokens(next, pin)),
  };
}

function withinTokens(state: AppState, pin: Place): boolean {
  const trace = currentTrace(state);
  const stack = trace?.stacks[state.selection.stack];
  const side = pin.side === "query" ? stack?.query : stack?.key;
  return side !== undefined && pin.index < (trace?.tokens[side]?.length ?? 0);
}

function sameWords(a: TraceMessage, b: TraceMessage): boolean {
  const words = (trace: TraceMessage) =>
    JSON.stringify(Object.values(trace.tokens).map((side) => side.map((token) => token.id)));
  return words(a) === words(b);
}
