/** The state of the page with undo and redo. */

import { batch, createSignal } from "solid-js";
import { begin, type History, redo, replace, step, undo } from "./history";
import { type Action, fitted, reduce, undoable } from "./reduce";
import { type AppState, EMPTY } from "./state";
import { dragOf, stepName } from "./stepNames";

/** Slider changes that follow each other within this time count as one step. */
const DRAG_MS = 1000;
/** The same for faders of changes, whose passes keep the page busy while the hand moves. */
const FADER_MS = 2500;

export interface TimelineFollower {
  readonly onStep: (action: Action, before: AppState, after: AppState) => void;
  /** After undo and redo, with the state before. */
  readonly onTravel: (before: AppState) => void;
}

export function createTimeline({ onStep, onTravel }: TimelineFollower) {
  const [history, setHistory] = createSignal<History<AppState>>(begin(EMPTY));
  const state = (): AppState => history().present;
  /** The slider being dragged, and when it last moved. */
  let lastDrag: { readonly what: string; readonly at: number } | null = null;

  function dispatch(action: Action): void {
    const before = state();
    const after = reduce(before, action);
    const drag = dragOf(action);
    const now = performance.now();
    const sameDrag =
      drag !== null &&
      lastDrag?.what === drag &&
      now - lastDrag.at < (action.type === "changes" ? FADER_MS : DRAG_MS);
    lastDrag = drag === null ? null : { what: drag, at: now };
    const newStep = undoable(action, before) && !sameDrag;
    // Views see the step together with what is in the cache for it: they change once, and none is empty in between.
    batch(() => {
      setHistory(newStep ? step(history(), after, stepName(action)) : replace(history(), after));
      onStep(action, before, after);
    });
  }

  function travel(to: (from: History<AppState>) => History<AppState>): void {
    const before = state();
    const { view, frame } = before;
    const moved = to(history());
    if (moved === history()) return;
    // The theme and the panels stay, and so does what has become known about the same trace, such as its full check.
    const same = moved.present.trace?.trace === before.trace?.trace;
    const trace = same ? before.trace : moved.present.trace;
    const kept = { trace, frame, view: { ...moved.present.view, theme: view.theme } };
    setHistory(replace(moved, fitted({ ...moved.present, ...kept })));
    lastDrag = null;
    onTravel(before);
  }

  return {
    state,
    dispatch,
    /** Sets another state that undo skips. */
    replace: (after: AppState) => setHistory(replace(history(), after)),
    undo: () => travel(undo),
    redo: () => travel(redo),
    /** Names of the next steps to undo and redo; null if there are none. */
    undoes: () => history().past.at(-1)?.name ?? null,
    redoes: () => history().future[0]?.name ?? null,
  };
}
