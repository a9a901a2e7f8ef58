import { For, Show } from "solid-js";
import type { BaselineChoice } from "../../state/comparison";
import { inputOfTrace } from "../../state/input";
import { currentPass } from "../../state/state";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";

/** Chooses what the current pass is compared with. */
export function BaselineMenu(props: { readonly page: Page }) {
  const { session, state } = props.page;
  const current = () => currentPass(state());
  const models = () =>
    (session.hello()?.models ?? []).filter(
      ({ name }) => name !== current()?.model.name && session.can("run"),
    );
  const earlier = () => session.recentInputs().filter(({ trace }) => trace.trace !== current()?.trace);
  let prompt!: HTMLTextAreaElement;
  return (
    <Popover
      kind="dialog"
      label="Compare with…"
      title="Choose the baseline that this pass is compared with (c)"
      class="ghost"
      testid="baseline"
      face={<>Compare with ▾</>}
    >
      {(close) => {
        const choose = (choice: BaselineChoice | null) => () => {
          close();
          void session.compareWith(choice);
        };
        const input = () => {
          const pass = current();
          return pass === null ? null : inputOfTrace(pass);
        };
        return (
          <div class="baseline-menu">
            <Show when={session.canChange()}>
              <button type="button" data-testid="baseline-unchanged" on:click={choose({ kind: "unchanged" })}>
                The model as it is
              </button>
            </Show>
            <button type="button" data-testid="baseline-kept" on:click={choose({ kind: "kept" })}>
              This pass, as it is now
            </button>
            <Show when={session.can("run") && input()}>
              {(own) => (
                <form
                  on:submit={(event) => {
                    event.preventDefault();
                    const text = prompt.value;
                    if (text.trim() === "") return;
                    close();
                    void session.compareWith({
                      kind: "prompt",
                      input: { ...own(), text, messages: null, continues: false },
                    });
                  }}
                >
                  <label for="baseline-text">Another prompt</label>
                  <textarea
                    id="baseline-text"
                    data-testid="baseline-text"
                    ref={prompt}
                    rows="2"
                    value={own().text}
                  />
                  <button type="submit" class="ghost small" data-testid="baseline-prompt">
                    Compare
                  </button>
                </form>
              )}
            </Show>
            <For each={models()}>
              {({ name, title }) => (
                <button type="button" on:click={choose({ kind: "model", model: name })}>
                  The model {title}
                </button>
              )}
            </For>
            <For each={earlier()}>
              {({ trace }) => (
                <button type="button" on:click={choose({ kind: "saved", trace })}>
                  Earlier: {trace.input.text}
                </button>
              )}
            </For>
            <Show when={state().comparison !== null}>
              <button type="button" data-testid="baseline-none" on:click={choose(null)}>
                Nothing: end the comparison
              </button>
            </Show>
          </div>
        );
      }}
    </Popover>
  );
}
