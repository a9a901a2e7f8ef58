/** The state of the page with its steps, which can be taken back. */

import { createSignal } from "solid-js";
import { begin, type History, redo, replace, step, undo } from "./history";
import { type Action, fitted, reduce, undoable } from "./reduce";
import { type AppState, EMPTY } from "./state";
import { dragOf, stepName } from "./stepNames";

/** Steps of a slider that follow each other this quickly are one step. */
const DRAG_MS = 1000;

export interface TimelineFollower {
  readonly onStep: (action: Action, before: AppState, after: AppState) => void;
  /** After undo and redo. */
  readonly onTravel: () => void;
}

export function createTimeline({ onStep, onTravel }: TimelineFollower) {
  const [history, setHistory] = createSignal<History<AppState>>(begin(EMPTY));
  const state = (): AppState => history().present;
  /** What is being dragged, and when it last moved. */
  let dragged: { readonly what: string; readonly at: number } | null = null;

  function dispatch(action: Action): void {
    const before = state();
    const after = reduce(before, action);
    const drag = dragOf(action);
    const now = performance.now();
    const goesOn = drag !== null && dragged?.what === drag && now - dragged.at < DRAG_MS;
    dragged = drag === null ? null : { what: drag, at: now };
    const apart = undoable(action) && !goesOn;
    setHistory(apart ? step(history(), after, stepName(action)) : replace(history(), after));
    onStep(action, before, after);
  }

  function travel(to: (from: History<AppState>) => History<AppState>): void {
    const { trace, view, frame } = state();
    const moved = to(history());
    // A step back is a step of the view: what was loaded meanwhile, the theme and the panels stay.
    const kept = { trace, frame, view: { ...moved.present.view, theme: view.theme } };
    setHistory(replace(moved, fitted({ ...moved.present, ...kept })));
    dragged = null;
    onTravel();
  }

  return {
    state,
    dispatch,
    /** Another state, which undo passes over. */
    replace: (after: AppState) => setHistory(replace(history(), after)),
    undo: () => travel(undo),
    redo: () => travel(redo),
    /** What undo and redo would do; null where there is nothing. */
    undoes: () => history().past.at(-1)?.name ?? null,
    redoes: () => history().future[0]?.name ?? null,
  };
}
