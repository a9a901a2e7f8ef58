/** The page inside a notebook: an anywidget whose data are custom messages and whose selection is its traits. */

import { createEffect, createRoot, on } from "solid-js";
import { KERNEL_ENDED, type WidgetModel, WidgetSource } from "../source/widget";
import { createSession } from "../state/session";
import { addressOf, stepsTo, stepsToMissed, type Traits, traitsOf } from "../state/traits";
import { followNotebookTheme } from "./hostTheme";
import { isGone } from "./kernel";
import { mount } from "./mount";

const NAMES = ["view", "stack", "layer", "heads", "head", "token", "neuron"] as const;
const LOOK_MS = 1000;

interface View {
  readonly model: WidgetModel;
  readonly el: HTMLElement;
}

/** Draws one view of the widget; gives the function that takes it away. */
function render({ model, el }: View): () => void {
  const gone = () => isGone(model, el);
  const source = new WidgetSource(model, gone);
  const session = createSession(source);
  const host = document.createElement("div");
  host.style.cssText =
    "resize: vertical; overflow: hidden; min-height: 320px; border-radius: 8px; " +
    "border: 1px solid color-mix(in srgb, currentColor 20%, transparent)";
  el.append(host);
  const showPicture = hidePicture(String(model.get("_key")));
  const { theme, stop } = followNotebookTheme();
  const unmount = mount(host, session, { height: `${model.get("height")}px`, theme });
  for (const name of ["keydown", "keyup", "keypress"]) {
    host.addEventListener(name, (event) => event.stopPropagation());
  }

  const traits = () => Object.fromEntries(NAMES.map((name) => [name, model.get(name)])) as unknown as Traits;
  let telling = false;
  const tell = (now: Traits): void => {
    const before = traits();
    const changed = NAMES.filter((name) => String(now[name]) !== String(before[name]));
    if (changed.length === 0 || gone()) return;
    telling = true;
    for (const name of changed) model.set(name, now[name]);
    telling = false;
    model.save_changes();
  };
  /** What Python changed while there was no trace to select in. */
  const missed = new Set<keyof Traits>();
  const told = (): void => {
    if (telling || traitsOf(session.state()) === null) return;
    missed.clear();
    for (const step of stepsTo(session.state(), traits())) session.dispatch(step);
  };
  // One update from Python may change several traits; each is announced on its own.
  let announced = false;
  const heard = NAMES.map((name) => ({
    event: `change:${name}`,
    call: (): void => {
      if (telling) return;
      if (traitsOf(session.state()) === null) missed.add(name);
      if (announced) return;
      announced = true;
      queueMicrotask(() => {
        announced = false;
        told();
      });
    },
  }));
  for (const { event, call } of heard) model.on(event, call);
  const onHeight = (): void => {
    host.style.height = `${model.get("height")}px`;
  };
  model.on("change:height", onHeight);

  const forget = createRoot((dispose) => {
    createEffect(
      on(
        () => traitsOf(session.state()),
        (now) => {
          if (now === null) return;
          const late = stepsToMissed(session.state(), traits(), missed);
          missed.clear();
          for (const step of late) session.dispatch(step);
          if (late.length === 0) tell(now);
        },
      ),
    );
    return dispose;
  });

  let lost = false;
  const look = setInterval(() => {
    const now = gone();
    if (now && !lost) session.lose(KERNEL_ENDED);
    lost = now;
  }, LOOK_MS);

  void session.start(addressOf(traits()));
  return () => {
    clearInterval(look);
    for (const { event, call } of heard) model.off(event, call);
    model.off("change:height", onHeight);
    session.close();
    source.close();
    forget();
    stop();
    showPicture();
    unmount();
    host.remove();
  };
}

/** The picture that a saved notebook keeps of this widget makes room for the page, until the page is taken away. */
function hidePicture(key: string): () => void {
  const picture = `[data-attnscope-picture="${CSS.escape(key)}"]`;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(`${picture}, .jp-OutputArea-child:has(${picture}) { display: none; }`);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
  return () => {
    document.adoptedStyleSheets = document.adoptedStyleSheets.filter((other) => other !== sheet);
  };
}

export default { render };
