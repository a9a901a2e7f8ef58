import type { Session } from "../../state/session";
import { allHeads, FIELDS, type PanelName, SCALES, SINKS, type Theme } from "../../state/state";

export interface KeyTargets {
  readonly prompt: () => HTMLElement | undefined;
  readonly help: () => void;
  /** The button that opens the token search. */
  readonly find: () => HTMLElement | null;
  /** The button that opens the menu of baselines. */
  readonly baseline: () => HTMLElement | null;
  /** Opens the box that changes what is selected. */
  readonly change: () => void;
  /** The panel that has keyboard focus. */
  readonly panel: () => PanelName | null;
  /** Moves keyboard focus to a panel. */
  readonly go: (panel: PanelName) => void;
}

const THEMES: readonly Theme[] = ["auto", "light", "dark"];

/** The shortcuts that work everywhere except in a text box. */
export function globalKeys(session: Session, targets: KeyTargets): (event: KeyboardEvent) => void {
  const after = <T>(all: readonly T[], value: T): T => all[(all.indexOf(value) + 1) % all.length];

  const plain: Readonly<Record<string, () => void>> = {
    "/": () => targets.prompt()?.focus(),
    "?": () => targets.help(),
    "[": () => session.dispatch({ type: "layer", layer: session.state().selection.layer - 1 }),
    "]": () => session.dispatch({ type: "layer", layer: session.state().selection.layer + 1 }),
    a: () => session.dispatch({ type: "heads", heads: allHeads(session.state()) }),
    s: () => session.dispatch({ type: "view", view: { scale: after(SCALES, session.state().view.scale) } }),
    x: () => session.dispatch({ type: "view", view: { sinks: after(SINKS, session.state().view.sinks) } }),
    f: () => targets.find()?.click(),
    d: () => session.dispatch({ type: "field", field: after(FIELDS, session.state().field) }),
    b: () => holdBefore(),
    c: () => targets.baseline()?.click(),
    e: () => targets.change(),
    m: () => session.muteLast(),
    t: () => session.dispatch({ type: "view", view: { theme: after(THEMES, session.state().view.theme) } }),
    Escape: () => out(),
  };

  /**
   * One step back, the first that applies: cancels the run, leaves the full-width view, moves from the side panel to the
   * head view, clears pins and selection, moves from the head view to the model view.
   */
  const out = (): void => {
    const { pins, selection, frame } = session.state();
    const panel = targets.panel();
    if (session.work()?.what === "run") session.cancel();
    else if (frame.whole === "one") session.dispatch({ type: "frame", frame: { whole: "all" } });
    else if (panel === "side") targets.go("head");
    else if (pins.length > 0 || selection.token !== null) {
      if (pins.length > 0) session.dispatch({ type: "pins", pins: [] });
      session.dispatch({ type: "token", token: null });
    } else if (panel === "head") targets.go("model");
  };

  /** Shows the baseline while the key is held. */
  const holdBefore = (): void => {
    const { field, comparison } = session.state();
    if (comparison === null || field === "before") return;
    session.peek("before");
    const release = (event: KeyboardEvent | FocusEvent): void => {
      if (event instanceof KeyboardEvent && event.key !== "b") return;
      window.removeEventListener("keyup", release, true);
      window.removeEventListener("blur", release, true);
      session.peek(field);
    };
    window.addEventListener("keyup", release, true);
    window.addEventListener("blur", release, true);
  };

  const head = (event: KeyboardEvent): boolean => {
    const digit = /^Digit(\d)$/.exec(event.code)?.[1];
    if (digit === undefined || event.shiftKey) return false;
    const number = Number(digit);
    if (!allHeads(session.state()).includes(number)) return false;
    session.dispatch({ type: event.altKey ? "isolate-head" : "toggle-head", head: number });
    return true;
  };

  return (event) => {
    const target = event.composedPath()[0];
    const typing =
      target instanceof HTMLTextAreaElement ||
      target instanceof HTMLSelectElement ||
      (target instanceof HTMLInputElement && target.type !== "range");
    if (typing || event.defaultPrevented) return;
    const command = event.ctrlKey || event.metaKey;
    if (event.repeat && event.key === "b") {
      event.preventDefault();
      return;
    }
    if (command && event.key.toLowerCase() === "z") {
      if (event.shiftKey) session.redo();
      else session.undo();
    } else if (command) {
      return;
    } else if (!head(event)) {
      const action = event.altKey ? undefined : plain[event.key];
      if (action === undefined) return;
      action();
    }
    event.preventDefault();
  };
}
