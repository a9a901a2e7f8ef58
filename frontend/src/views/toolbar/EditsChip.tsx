import { For, Show } from "solid-js";
import { editCount, editPython, editWords } from "../../figures/edits";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";

/** An unmistakable sign that what is shown is not the model as it is; behind it what was changed. */
export function EditsChip(props: { readonly page: Page }) {
  const trace = () => props.page.trace() ?? undefined;
  const edits = () => trace()?.edits ?? [];
  const python = () => `[${edits().map(editPython).join(", ")}]`;
  return (
    <Show when={edits().length > 0}>
      <Popover
        kind="dialog"
        label={`${editCount(edits())}: this is not the model as it is`}
        class="edited"
        testid="edits"
        face={editCount(edits())}
      >
        {(close) => (
          <div class="edit-list">
            <p>This pass was changed. What is shown is not the model as it is.</p>
            <ol>
              <For each={edits()}>{(edit) => <li>{editWords(edit, trace())}</li>}</For>
            </ol>
            <pre tabindex="0">{python()}</pre>
            <button
              type="button"
              class="ghost small"
              on:click={() => {
                close();
                void props.page.copy("The edits as Python", python());
              }}
            >
              Copy as Python
            </button>
          </div>
        )}
      </Popover>
    </Show>
  );
}
