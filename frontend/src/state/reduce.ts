/** The actions that change the state of the page. */

import type { TraceMessage } from "../wire/messages";
import {
  type Alignment,
  type AppState,
  allHeads,
  type Change,
  type Comparison,
  currentPass,
  type Field,
  type Frame,
  headsOn,
  neuronHead,
  type Place,
  passShown,
  type Selection,
  type Side,
  type ViewSettings,
} from "./state";

export type Action =
  | {
      readonly type: "traced";
      readonly trace: TraceMessage;
      readonly select?: Partial<Selection>;
      /** The state to show the trace in, instead of the present one. */
      readonly within?: AppState;
      /** Whether the trace was shown before, so that undo does not lead away from it. */
      readonly again?: boolean;
    }
  | { readonly type: "certified"; readonly trace: string; readonly certificate: TraceMessage["certificate"] }
  | {
      /** Two passes are there to be compared, or no longer (null). */
      readonly type: "compared";
      readonly comparison: Comparison | null;
      readonly field?: Field;
      /** The pass that remains without a comparison; by default the current one. */
      readonly only?: TraceMessage;
      /** Whether the user chose this, so that undo leads back. What a change leads to belongs to the step of the change. */
      readonly step?: boolean;
    }
  | { readonly type: "aligned"; readonly alignment: Alignment }
  | { readonly type: "field"; readonly field: Field }
  /** Other edits are wanted. `name` names the step, as in "turn head 23.3 off". */
  | { readonly type: "changes"; readonly changes: readonly Change[]; readonly name: string }
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

/** Whether an action can be undone. Undoing a run leads back to the input before it. */
export function undoable(action: Action, before: AppState): boolean {
  if (action.type === "traced") {
    return before.trace !== null && before.trace.trace !== action.trace.trace && action.again !== true;
  }
  if (action.type === "view") return action.view.theme === undefined;
  if (action.type === "compared") return action.step === true;
  return !["certified", "token", "frame", "aligned"].includes(action.type);
}

export function reduce(state: AppState, action: Action): AppState {
  switch (action.type) {
    case "traced":
      return showTrace(action.within ?? state, action.trace, action.select ?? {});
    case "certified": {
      const { trace } = state;
      if (trace?.trace !== action.trace) return state;
      return { ...state, trace: { ...trace, certificate: action.certificate } };
    }
    case "compared":
      return compare(state, action.comparison, action.field ?? state.field, action.only);
    case "aligned": {
      const { comparison } = state;
      const { trace, baseline } = action.alignment;
      if (comparison?.current.trace !== trace || comparison.baseline.trace !== baseline) return state;
      return { ...state, comparison: { ...comparison, alignment: action.alignment } };
    }
    case "field":
      return state.comparison === null ? state : compare(state, state.comparison, action.field);
    case "changes":
      return { ...state, changes: action.changes };
    case "layer":
      return select(state, { layer: action.layer });
    case "stack":
      return switchStack(state, action.stack);
    case "head":
      return select(state, { layer: action.layer, heads: [action.head] });
    case "add-head":
      // The head view overlays heads of one layer only.
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

function select(state: AppState, part: Partial<Selection>): AppState {
  const selection = { ...state.selection, ...part };
  const layers = state.trace?.stacks[selection.stack]?.layers ?? 1;
  const requested = Math.max(0, Math.min(layers - 1, selection.layer));
  const layer = presentLayer(state, selection.stack, requested, Math.sign(requested - state.selection.layer));
  const next: AppState = { ...state, selection: { ...selection, layer } };
  // A marked dimension belongs to its head: clear it when another head is shown.
  const same =
    selection.stack === state.selection.stack &&
    layer === state.selection.layer &&
    neuronHead(next) === neuronHead(state);
  return same ? next : { ...next, selection: { ...next.selection, neuron: null } };
}

/** The layer nearest to `layer` that is present and has attention, searching in the direction of `step` first. */
function presentLayer(state: AppState, name: string, layer: number, step: number): number {
  const stack = state.trace?.stacks[name];
  const isPresent = (at: number) => stack?.shapes[at] != null;
  if (stack === undefined || isPresent(layer)) return layer;
  for (const way of step < 0 ? [-1, 1] : [1, -1]) {
    for (let at = layer + way; at >= 0 && at < stack.layers; at += way) if (isPresent(at)) return at;
  }
  return layer;
}

/** Switches to another stack; tokens that both stacks share stay selected and pinned. */
function switchStack(state: AppState, name: string): AppState {
  const stacks = state.trace?.stacks;
  const [from, to] = [stacks?.[state.selection.stack], stacks?.[name]];
  const carryOver = ({ side, index }: Place): Place | null => {
    const tokens = side === "query" ? from?.query : from?.key;
    const other: Side = side === "query" ? "key" : "query";
    if (tokens === undefined || to === undefined) return null;
    if ((side === "query" ? to.query : to.key) === tokens) return { side, index };
    return (other === "query" ? to.query : to.key) === tokens ? { side: other, index } : null;
  };
  const { token } = state.selection;
  const next = select(state, { stack: name, layer: 0, heads: [], head: null, token: null });
  const kept = token === null ? null : carryOver(token);
  return {
    ...next,
    selection: { ...next.selection, token: kept },
    pins: state.pins.flatMap((pin) => carryOver(pin) ?? []),
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

/** Shows one of two passes, or the only one that remains. */
function compare(
  state: AppState,
  comparison: Comparison | null,
  field: Field,
  only: TraceMessage | null = currentPass(state),
): AppState {
  const trace = comparison === null ? only : passShown(comparison, field);
  const shown = comparison === null ? "after" : field;
  if (trace === null) return { ...state, comparison, field: shown };
  const next = trace === state.trace ? state : { ...state, ...placesIn(state, trace) };
  return fitted({ ...next, trace, comparison, field: shown });
}

/** Selected and pinned tokens in another pass: those at the same position, or aligned with them in the two passes compared. */
function placesIn(state: AppState, trace: TraceMessage): Pick<AppState, "pins" | "selection"> {
  const move = (place: Place): Place | null => {
    const side = sideOf(state, place.side);
    const index = side === null ? place.index : alignedIndex(state.comparison, side, place.index, trace);
    return index === null ? null : { ...place, index };
  };
  const { token } = state.selection;
  return {
    pins: state.pins.flatMap((pin) => move(pin) ?? []),
    selection: { ...state.selection, token: token === null ? null : move(token) },
  };
}

function sideOf(state: AppState, side: Side): string | null {
  const stack = state.trace?.stacks[state.selection.stack];
  return (side === "query" ? stack?.query : stack?.key) ?? null;
}

/** The index in `trace`, one of the two compared passes, of a token of the other one; null if it corresponds to none. */
function alignedIndex(
  comparison: Comparison | null,
  side: string,
  index: number,
  trace: TraceMessage,
): number | null {
  const to = comparison?.alignment?.sides[side];
  if (comparison == null || to === undefined) return index;
  if (trace.trace === comparison.baseline.trace) {
    const found = to[index] ?? -1;
    return found < 0 ? null : found;
  }
  const found = to.indexOf(index);
  return found < 0 ? null : found;
}

/** What a new trace begins with: no comparison, and the edits that it was made with. */
function alone({ edits = [] }: TraceMessage): Pick<AppState, "comparison" | "field" | "changes"> {
  return { comparison: null, field: "after", changes: edits.map((edit) => ({ edit, muted: false })) };
}

/** Whether a state is shown again with the pass that it showed. */
function keepsComparison({ comparison, field }: AppState, trace: TraceMessage): boolean {
  return comparison !== null && passShown(comparison, field).trace === trace.trace;
}

/** Shows a new trace. The selection stays where the new trace allows it, except for `changes`. */
function showTrace(state: AppState, trace: TraceMessage, changes: Partial<Selection>): AppState {
  const names = Object.keys(trace.stacks);
  const before = state.trace;
  const stack = names.includes(state.selection.stack) ? state.selection.stack : (names[0] ?? "");
  const sameModel =
    before === null || (before.model.name ?? before.model.title) === (trace.model.name ?? trace.model.title);
  const sameTokens = before !== null && sameWords(before, trace);
  const next: AppState = {
    ...state,
    trace,
    ...(keepsComparison(state, trace) ? {} : alone(trace)),
    pins: sameTokens || before === null ? state.pins : [],
    view: { ...state.view, filter: trace.input.pair ? state.view.filter : "all" },
    selection: {
      ...state.selection,
      stack,
      heads: sameModel ? state.selection.heads : [],
      head: sameModel ? state.selection.head : null,
      neuron: sameModel ? state.selection.neuron : null,
      token: sameTokens || before === null ? state.selection.token : null,
      ...changes,
    },
  };
  return fitted(next);
}

/** The state with its selection limited to its trace, because an undone step may belong to a longer text. */
export function fitted(state: AppState): AppState {
  const stacks = Object.keys(state.trace?.stacks ?? {});
  const { stack, token } = state.selection;
  const known = stacks.includes(stack) || stacks.length === 0 ? stack : stacks[0];
  const next = { ...state, selection: { ...state.selection, stack: known } };
  return {
    ...select(next, { token: token !== null && withinTokens(next, token) ? token : null }),
    pins: next.pins.filter((pin) => withinTokens(next, pin)),
  };
}

function withinTokens(state: AppState, pin: Place): boolean {
  const trace = state.trace;
  const stack = trace?.stacks[state.selection.stack];
  const side = pin.side === "query" ? stack?.query : stack?.key;
  return side !== undefined && pin.index < (trace?.tokens[side]?.length ?? 0);
}

function sameWords(a: TraceMessage, b: TraceMessage): boolean {
  const words = (trace: TraceMessage) =>
    JSON.stringify(Object.values(trace.tokens).map((side) => side.map((token) => token.id)));
  return words(a) === words(b);
}
