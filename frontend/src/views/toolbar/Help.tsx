import { createEffect, For, Show } from "solid-js";
import type { Page } from "../page/page";

type Keys = readonly (readonly [string, string])[];

const EVERYWHERE: Keys = [
  ["/", "go to the prompt; there, Enter runs it"],
  ["Enter", "a scale further in: head, then neurons"],
  ["Esc", "a scale out; lets go of tokens and pins first"],
  ["[  ]", "layer before, layer after"],
  ["0 … 9", "turn a head on or off; with Alt: that head alone"],
  ["a", "all heads"],
  ["s", "scale: linear, square root, logarithm"],
  ["x", "sink: shown, hidden, renormalized without it"],
  ["f", "find a token; Enter and ⇧ Enter go on and back"],
  ["t", "theme"],
  ["Ctrl Z, Ctrl ⇧ Z", "undo, redo"],
  ["?", "this help"],
];
const MODEL: Keys = [
  ["↑ ↓ ← →", "head to head"],
  ["Space", "select the head"],
  ["+  −", "nearer, farther; the wheel does it about the pointer"],
  ["z", "one head in full, and back; so does a double click"],
  ["⇧ ↑ ↓ ← →", "in a head in full: cell to cell; Space pins both tokens"],
  ["0  Esc", "back to all heads"],
  ["⇧ Enter", "add the head to those on show"],
];
const HEAD: Keys = [
  ["↑ ↓", "token to token; Home and End to the first and last"],
  ["← →", "between queries and keys"],
  ["Space", "pin or unpin the token"],
];
const NEURONS: Keys = [
  ["↑ ↓ ← →", "key to key, dimension to dimension"],
  ["Enter", "mark the dimension, or its pair; on a token: select it"],
  ["+  −", "expand, collapse"],
];
const DIVIDERS: Keys = [["← →", "on a divider: move it; Enter sets it back"]];

const PARTS: readonly (readonly [string, Keys])[] = [
  ["Everywhere", EVERYWHERE],
  ["Model view", MODEL],
  ["Head view", HEAD],
  ["Neuron view", NEURONS],
  ["Panels", DIVIDERS],
];

/** Everything the keyboard does, over the page. */
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
            <h2 id="help-title">Reading and moving</h2>
            <button type="button" class="ghost icon" aria-label="Close" on:click={close}>
              ×
            </button>
          </div>
          <p>
            Each thumbnail of the model view is a head: rows are layers. Click one to see it, ⇧ click to add
            it. In the head view tokens on the left attend to tokens on the right; color is the head, opacity
            the weight. Point at anything to read it in the line below; click a token to pin it.
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
