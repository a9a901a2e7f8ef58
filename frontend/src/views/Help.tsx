import { For } from "solid-js";
import { Popover } from "./Popover";

const KEYS: readonly (readonly [string, string])[] = [
  ["Enter", "in the prompt: run"],
  ["/", "go to the prompt"],
  ["[  ]", "layer before, layer after"],
  ["0 … 9", "turn a head on or off; with Alt: that head alone"],
  ["a", "all heads"],
  ["↑ ↓", "in the tokens: token before, after"],
  ["← →", "queries, keys"],
  ["Enter", "in the tokens: pin or unpin"],
  ["Esc", "let go of the token, then of the pins"],
  ["s", "scale: linear or square root"],
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
            Tokens on the left attend to tokens on the right. Colour is the head, opacity the weight. Point at
            a token or a line to read it; click a token to pin it.
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
