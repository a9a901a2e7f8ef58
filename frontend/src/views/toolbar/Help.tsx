import { createEffect, For, Show } from "solid-js";
import type { Page } from "../page/page";

type Keys = readonly (readonly [string, string])[];

const EVERYWHERE: Keys = [
  ["/", "go to the prompt; Enter runs the model"],
  ["Enter", "zoom in: to the head, then to its neurons"],
  ["Esc", "clear selection and pins, then zoom out"],
  ["[  ]", "previous layer, next layer"],
  ["0 … 9", "turn a head on or off; with Alt, show only that head"],
  ["a", "show all heads"],
  ["s", "change the scale: linear, square root, logarithmic"],
  ["x", "attention sinks: show, hide, hide and rescale"],
  ["f", "find a token; Enter and ⇧ Enter go to the next and previous match"],
  ["t", "change the theme: auto, light, dark"],
  ["e", "change what is selected: a head, a line, a token, a neuron; so do a right click and a long press"],
  ["m", "mute the last change, or make it again"],
  ["d", "next of before, after, difference; hold b for before"],
  ["c", "choose what to compare with"],
  ["Ctrl Z, Ctrl ⇧ Z", "undo, redo"],
  ["?", "open this help"],
];
const MODEL: Keys = [
  ["↑ ↓ ← →", "move between heads"],
  ["Space", "select the head"],
  ["+  −", "zoom in, zoom out; the mouse wheel zooms at the pointer"],
  ["z", "fill the view with one head, or go back; double-clicking does the same"],
  ["⇧ ↑ ↓ ← →", "when one head fills the view: move between cells; Space pins both tokens"],
  ["0  Esc", "go back to all heads"],
  ["⇧ Enter", "add the head to the head view"],
];
const HEAD: Keys = [
  ["↑ ↓", "move between tokens; Home and End go to the first and the last"],
  ["← →", "switch between queries and keys"],
  ["Space", "pin or unpin the token"],
];
const NEURONS: Keys = [
  ["↑ ↓ ← →", "move between keys and between dimensions"],
  ["Enter", "mark the dimension or its rotary pair; on a token, select it"],
  ["+  −", "expand, collapse the neurons"],
];
const CHANGES: Keys = [
  ["← →", "turn the fader; with ⇧ in small steps"],
  ["0", "off, or cut"],
  ["Enter", "keep the change and close"],
  ["Esc", "undo the change and close"],
];
const LIST: Keys = [
  ["↑ ↓", "move between changes"],
  ["Space", "mute the change, or make it again"],
  ["Delete", "remove the change"],
  ["Alt ↑ ↓", "move the change, where order counts"],
];
const DIVIDERS: Keys = [["← →", "on a divider, move it; Enter resets it"]];

const PARTS: readonly (readonly [string, Keys])[] = [
  ["Everywhere", EVERYWHERE],
  ["Model view", MODEL],
  ["Head view", HEAD],
  ["Neuron view", NEURONS],
  ["Change box", CHANGES],
  ["List of changes", LIST],
  ["Panels", DIVIDERS],
];

/** The help overlay with all keyboard shortcuts. */
export function Help(props: { readonly page: Page }) {
  let box: HTMLDialogElement | undefined;
  createEffect(() => {
    if (props.page.help()) box?.showModal();
  });
  const close = (): void => void props.page.setHelp(false);
  return (
    <Show when={props.page.help()}>
      <dialog
        class="help"
        ref={box}
        aria-labelledby="help-title"
        on:close={close}
        on:keydown={(event) => event.stopPropagation()}
        on:click={(event) => {
          if (event.target === box) close();
        }}
      >
        <div class="help-body">
          <div class="help-bar">
            <h2 id="help-title">Help and keyboard shortcuts</h2>
            <button type="button" class="ghost icon" aria-label="Close" on:click={close}>
              ×
            </button>
          </div>
          <p>
            In the model view, each thumbnail is a head and each row is a layer. Click a thumbnail to select
            the head, ⇧-click to add it. In the head view, tokens on the left attend to tokens on the right:
            color shows the head, opacity the attention weight. Point at anything to see its values at the
            bottom of the page. Click a token to pin it.
          </p>
          <div class="key-parts">
            <For each={PARTS}>
              {([title, keys]) => (
                <section>
                  <h3>{title}</h3>
                  <dl>
                    <For each={keys}>
                      {([key, does]) => (
                        <div>
                          <dt>
                            <kbd>{key}</kbd>
                          </dt>
                          <dd>{does}</dd>
                        </div>
                      )}
                    </For>
                  </dl>
                </section>
              )}
            </For>
          </div>
        </div>
      </dialog>
    </Show>
  );
}
