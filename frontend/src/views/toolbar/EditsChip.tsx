import { For, Show } from "solid-js";
import { editCount, editPython, editWords } from "../../figures/edits";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";

/** A clear sign that the only pass was edited; it opens the list of edits. Of two passes, the line below the toolbar says it. */
export function EditsChip(props: { readonly page: Page }) {
  const trace = () => props.page.trace() ?? undefined;
  const edits = () => trace()?.edits ?? [];
  const python = () => `[${edits().map(editPython).join(", ")}]`;
  return (
    <Show when={edits().length > 0 && props.page.state().comparison === null}>
      <Popover
        kind="dialog"
        label={`${editCount(edits())}: not the original model`}
        class="edited"
        testid="edits"
        face={editCount(edits())}
      >
        {(close) => (
          <div class="edit-list">
            <p>This forward pass was edited. You are not looking at the original model.</p>
            <ol>
              <For each={edits()}>{(edit) => <li>{editWords(edit, trace())}</li>}</For>
            </ol>
            <pre tabindex="0">{python()}</pre>
            <button
              type="button"
              class="ghost small"
              on:click={() => {
                close();
                void props.page.copy("Python code", python());
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
