/** The page inside a notebook: an anywidget that gets its data as custom messages and syncs its selection as traits. */

import { createEffect, createRoot, on } from "solid-js";
import { KERNEL_ENDED, type WidgetModel, WidgetSource } from "../source/widget";
import { createSession } from "../state/session";
import type { Field } from "../state/state";
import { addressOf, sameTrait, stepsTo, stepsToMissed, type Traits, traitsOf } from "../state/traits";
import { followNotebookTheme } from "./hostTheme";
import { isGone } from "./kernel";
import { mount } from "./mount";

const NAMES = [
  ...["view", "stack", "layer", "heads", "head", "token", "neuron"],
  ...["baseline", "field", "edits", "_current"],
] as readonly (keyof Traits)[];
/** What is only known again once a baseline is loaded. */
const COMPARED: readonly (keyof Traits)[] = ["baseline", "field"];
const KERNEL_POLL_MS = 1000;

interface View {
  readonly model: WidgetModel;
  readonly el: HTMLElement;
}

/** Renders one view of the widget and returns a function that removes it. */
function render({ model, el }: View): () => void {
  const gone = () => isGone(model, el);
  const source = new WidgetSource(model, gone);
  const session = createSession(source);
  const host = document.createElement("div");
  host.style.cssText =
    "resize: vertical; overflow: hidden; min-height: 320px; border-radius: 8px; " +
    "border: 1px solid color-mix(in srgb, currentColor 20%, transparent)";
  el.append(host);
  const restoreScreenshot = hideScreenshot(String(model.get("_key")));
  const { theme, stop } = followNotebookTheme();
  const unmount = mount(host, session, { height: `${model.get("height")}px`, theme });
  for (const name of ["keydown", "keyup", "keypress"]) {
    host.addEventListener(name, (event) => event.stopPropagation());
  }

  const traits = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)])) as unknown as Traits;
  let sending = false;
  /** The baselines that Python set and that are being loaded. */
  const loading = new Set<string | null>();
  const sendTraits = (now: Traits): void => {
    const before = traits();
    const known = NAMES.filter((name) => loading.size === 0 || !COMPARED.includes(name));
    const changed = known.filter((name) => !sameTrait(now[name], before[name]));
    if (changed.length === 0 || gone()) return;
    sending = true;
    for (const name of changed) model.set(name, now[name]);
    sending = false;
    model.save_changes();
  };
  /** Traits that Python changed before there was a trace. The edits of a model wait for its first trace. */
  const missed = new Set<keyof Traits>(traits()._current === null ? ["edits", "baseline"] : []);
  const applyTraits = (): void => {
    if (sending || traitsOf(session.state()) === null) return;
    missed.clear();
    for (const step of stepsTo(session.state(), traits())) session.dispatch(step);
    applyBaseline();
  };
  const applyBaseline = (): void => {
    const { baseline, field } = traits();
    if (baseline !== (session.state().comparison?.baseline.trace ?? null) && !loading.has(baseline))
      void compareWith(baseline, field);
  };
  const compareWith = async (baseline: string | null, field: Field): Promise<void> => {
    loading.add(baseline);
    await session.compareWithId(baseline, field);
    loading.delete(baseline);
    const now = traitsOf(session.state());
    if (now !== null) sendTraits(now);
  };
  // One update from Python may change several traits, each with its own event: apply them together.
  let scheduled = false;
  const listeners = NAMES.map((name) => ({
    event: `change:${name}`,
    call: (): void => {
      if (sending) return;
      if (traitsOf(session.state()) === null) missed.add(name);
      if (scheduled) return;
      scheduled = true;
      queueMicrotask(() => {
        scheduled = false;
        applyTraits();
      });
    },
  }));
  for (const { event, call } of listeners) model.on(event, call);
  const onHeight = (): void => {
    host.style.height = `${model.get("height")}px`;
  };
  model.on("change:height", onHeight);

  const disposeSync = createRoot((dispose) => {
    createEffect(
      on(
        () => traitsOf(session.state()),
        (now) => {
          if (now === null) return;
          const late = stepsToMissed(session.state(), traits(), missed);
          const baseline = missed.has("baseline") && traits().baseline !== null;
          missed.clear();
          for (const step of late) session.dispatch(step);
          if (baseline) applyBaseline();
          else if (late.length === 0) sendTraits(now);
        },
      ),
    );
    return dispose;
  });

  let lost = false;
  const poll = setInterval(() => {
    const now = gone();
    if (now && !lost) session.lose(KERNEL_ENDED);
    lost = now;
  }, KERNEL_POLL_MS);

  void session.start(addressOf(traits()));
  return () => {
    clearInterval(poll);
    for (const { event, call } of listeners) model.off(event, call);
    model.off("change:height", onHeight);
    session.close();
    source.close();
    disposeSync();
    stop();
    restoreScreenshot();
    unmount();
    host.remove();
  };
}

/** Hides the screenshot of this widget in a saved notebook while the live page is shown. Returns a function that undoes it. */
function hideScreenshot(key: string): () => void {
  const screenshot = `[data-attnscope-picture="${CSS.escape(key)}"]`;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`${screenshot}, .jp-OutputArea-child:has(${screenshot}) { display: none; }`);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
  };
}

export default { render };
