import { For } from "solid-js";
import { Popover } from "./Popover";

const KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "in the prompt: run"],
  ["/", "go to the prompt"],
  ["[  ]", "layer before, layer after"],
  ["0 … 9", "turn a head on or off; with Alt: that head alone"],
  ["a", "all heads"],
  ["↑ ↓ ← →", "head to head; in the head view token to token, queries and keys"],
  ["Enter", "a scale further in: head, then neurons"],
  ["Esc", "a scale out; lets go of tokens and pins first"],
  ["Space", "select the head; pin or unpin the token"],
  ["⇧ Enter", "add the head to those on show"],
  ["s", "scale: linear, square root, logarithm"],
  ["x", "hide or show the sink"],
  ["t", "theme"],
  ["Ctrl Z, Ctrl ⇧ Z", "undo, redo"],
];

/** Everything the keyboard does. */
export function HelpButton() {
  return (
    <Popover kind="dialog" label="Help" class="ghost icon" testid="help" face={<>?</>}>
      {() => (
        <div class="help" tabindex="0">
          <p>
            Each thumbnail is a head: rows are layers. Click one to see it, ⇧ click to add it. In the head
            view tokens on the left attend to tokens on the right; colour is the head, opacity the weight.
            Point at anything to read it; click a token to pin it.
          </p>
          <dl>
            <For each={KEYS}>
              {([keys, does]) => (
                <>
                  <dt>
                    <kbd>{keys}</kbd>
                  </dt>
                  <dd>{does}</dd>
                </>
              )}
            </For>
          </dl>
        </div>
      )}
    </Popover>
  );
}
