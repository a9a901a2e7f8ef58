/** The selection as plain values that a notebook widget shares with Python. */

import type { Edit } from "../wire/messages";
import type { Action } from "./reduce";
import {
  type AppState,
  currentPass,
  editsMade,
  type Field,
  headsOn,
  neuronHead,
  type PanelName,
} from "./state";

export interface Traits {
  readonly view: string;
  readonly stack: string;
  readonly layer: number;
  /** The heads that are on; empty for all. */
  readonly heads: readonly number[];
  /** The head whose neurons are shown; null for the first head that is on. */
  readonly head: number | null;
  /** The selected query token. */
  readonly token: number | null;
  /** The marked dimension. */
  readonly neuron: number | null;
  /** The id of the trace that the current one is compared with. */
  readonly baseline: string | null;
  readonly field: Field;
  /** The changes that are made. */
  readonly edits: readonly Edit[];
  /** The id of the current trace; null before there is one. Only the page sets it. */
  readonly _current: string | null;
}

const PANELS: Readonly<Record<string, PanelName>> = { model: "model", head: "head", neuron: "side" };

/** The traits of a state; null as long as there is no trace. */
export function traitsOf(state: AppState): Traits | null {
  if (state.trace === null) return null;
  const { stack, layer, token, neuron } = state.selection;
  return {
    view: Object.keys(PANELS).find((name) => PANELS[name] === state.frame.at) ?? "model",
    stack,
    layer,
    heads: headsOn(state),
    head: headsOn(state).length > 0 ? neuronHead(state) : null,
    token: token?.side === "query" ? token.index : null,
    neuron,
    baseline: state.comparison?.baseline.trace ?? null,
    field: state.field,
    edits: editsMade(state.changes),
    _current: currentPass(state)?.trace ?? null,
  };
}

/** Whether two values of a trait are the same. */
export function sameTrait(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** The actions that lead from a state to the requested traits, except to another baseline, which must be loaded. */
export function stepsTo(state: AppState, requested: Traits): readonly Action[] {
  const now = traitsOf(state);
  if (now === null) return [];
  const steps: Action[] = [];
  if (requested.view !== now.view) {
    // The model view is shown beside the others; a head or neuron view requested by name gets the full width.
    const at = PANELS[requested.view] ?? "model";
    steps.push({ type: "frame", frame: { at, whole: at === "model" ? "all" : "one" } });
  }
  const moved = requested.stack !== now.stack;
  if (moved) steps.push({ type: "stack", stack: requested.stack });
  if (moved || requested.layer !== now.layer) steps.push({ type: "layer", layer: requested.layer });
  if (moved || String(requested.heads) !== String(now.heads)) {
    steps.push({ type: "heads", heads: requested.heads });
  }
  if (requested.head !== null && requested.head !== now.head) {
    steps.push({ type: "neuron-head", head: requested.head });
  }
  if (requested.token !== now.token) {
    const token = requested.token === null ? null : ({ side: "query", index: requested.token } as const);
    steps.push({ type: "token", token });
  }
  if (requested.neuron !== now.neuron) steps.push({ type: "neuron", neuron: requested.neuron });
  if (requested.field !== now.field && requested.baseline === now.baseline)
    steps.push({ type: "field", field: requested.field });
  if (!sameTrait(requested.edits, now.edits)) {
    const changes = requested.edits.map((edit) => ({ edit, muted: false }));
    steps.push({ type: "changes", changes, name: "set the edits" });
  }
  return steps;
}

/**
 * The actions for traits that Python set before there was a trace. Only these traits apply, because the others were not set
 * for this trace. A widget that has only a model does not know a stack yet.
 */
export function stepsToMissed(
  state: AppState,
  requested: Traits,
  missed: ReadonlySet<keyof Traits>,
): readonly Action[] {
  const now = traitsOf(state);
  if (now === null) return [];
  const changes = Object.entries(requested).filter(([name]) => missed.has(name as keyof Traits));
  const target = { ...now, ...Object.fromEntries(changes) };
  return stepsTo(state, { ...target, stack: target.stack || now.stack });
}

/** The address that a session starts with, so that the first view matches the traits. */
export function addressOf(traits: Traits): string {
  const at = PANELS[traits.view] ?? "model";
  const parts: Record<string, string> = { at, layer: String(traits.layer) };
  if (at !== "model") parts.whole = "one";
  if (traits.stack !== "") parts.stack = traits.stack;
  if (traits.heads.length > 0) parts.heads = traits.heads.join(",");
  if (traits.head !== null) parts.head = String(traits.head);
  if (traits.token !== null) parts.token = `q${traits.token}`;
  if (traits.neuron !== null) parts.neuron = String(traits.neuron);
  if (traits._current !== null) parts.trace = traits._current;
  if (traits.baseline !== null) Object.assign(parts, { baseline: traits.baseline, field: traits.field });
  if (traits.edits.length > 0) parts.changes = JSON.stringify(traits.edits);
  return new URLSearchParams(parts).toString();
}
