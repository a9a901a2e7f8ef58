/** The selection as the few plain values that a notebook's widget shares with Python. */

import type { Action } from "./reduce";
import { type AppState, headsOn, neuronHead, type PanelName } from "./state";

export interface Traits {
  readonly view: string;
  readonly stack: string;
  readonly layer: number;
  /** The heads that are on; empty for all. */
  readonly heads: readonly number[];
  /** The head whose neurons are shown; null for the first that is on. */
  readonly head: number | null;
  /** The query token that is selected. */
  readonly token: number | null;
  /** The dimension that is marked. */
  readonly neuron: number | null;
}

const PANELS: Readonly<Record<string, PanelName>> = { model: "model", head: "head", neuron: "side" };

/** The traits of what is shown; null as long as there is no trace to select in. */
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
  };
}

/** The steps that lead from what is shown to what the traits say. */
export function stepsTo(state: AppState, wanted: Traits): readonly Action[] {
  const now = traitsOf(state);
  if (now === null) return [];
  const steps: Action[] = [];
  if (wanted.view !== now.view) {
    // The model view is the navigator of the others; a view asked for by name has the whole width.
    const at = PANELS[wanted.view] ?? "model";
    steps.push({ type: "frame", frame: { at, whole: at === "model" ? "all" : "one" } });
  }
  const moved = wanted.stack !== now.stack;
  if (moved) steps.push({ type: "stack", stack: wanted.stack });
  if (moved || wanted.layer !== now.layer) steps.push({ type: "layer", layer: wanted.layer });
  if (moved || String(wanted.heads) !== String(now.heads)) {
    steps.push({ type: "heads", heads: wanted.heads });
  }
  if (wanted.head !== null && wanted.head !== now.head) {
    steps.push({ type: "neuron-head", head: wanted.head });
  }
  if (wanted.token !== now.token) {
    const token = wanted.token === null ? null : ({ side: "query", index: wanted.token } as const);
    steps.push({ type: "token", token });
  }
  if (wanted.neuron !== now.neuron) steps.push({ type: "neuron", neuron: wanted.neuron });
  return steps;
}

/**
 * The steps that lead to what Python changed before there was anything to select in: only these traits, as the others are
 * not meant for this trace. A widget that only has a model knows no stack yet.
 */
export function stepsToMissed(
  state: AppState,
  wanted: Traits,
  missed: ReadonlySet<keyof Traits>,
): readonly Action[] {
  const now = traitsOf(state);
  if (now === null) return [];
  const meant = Object.entries(wanted).filter(([name]) => missed.has(name as keyof Traits));
  const of = { ...now, ...Object.fromEntries(meant) };
  return stepsTo(state, { ...of, stack: of.stack || now.stack });
}

/** The address with which a session starts, so that the first picture is what the traits say. */
export function addressOf(traits: Traits): string {
  const at = PANELS[traits.view] ?? "model";
  const parts: Record<string, string> = { at, layer: String(traits.layer) };
  if (at !== "model") parts.whole = "one";
  if (traits.stack !== "") parts.stack = traits.stack;
  if (traits.heads.length > 0) parts.heads = traits.heads.join(",");
  if (traits.head !== null) parts.head = String(traits.head);
  if (traits.token !== null) parts.token = `q${traits.token}`;
  if (traits.neuron !== null) parts.neuron = String(traits.neuron);
  return new URLSearchParams(parts).toString();
}
