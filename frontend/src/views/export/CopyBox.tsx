import { createEffect, Show } from "solid-js";
import { usePage } from "../page/context";

/** A dialog with text to copy by hand, for pages that cannot write to the clipboard. */
export function CopyBox() {
  const { page } = usePage();
  let box: HTMLDialogElement | undefined;
  createEffect(() => {
    if (page.toCopy() === null) return;
    box?.showModal();
    box?.querySelector("textarea")?.select();
  });
  const close = (): void => void page.setToCopy(null);
  return (
    <Show when={page.toCopy()}>
      {(text) => (
        <dialog
          class="copy-box"
          ref={box}
          aria-label={text().title}
          data-testid="copy-box"
          on:close={close}
          on:keydown={(event) => event.stopPropagation()}
        >
          <p>The browser blocked access to the clipboard. Press Ctrl C (⌘ C) to copy the selected text.</p>
          <textarea readonly rows="10" spellcheck={false} aria-label={text().title}>
            {text().text}
          </textarea>
          <button type="button" class="ghost" on:click={close}>
            Close
          </button>
        </dialog>
      )}
    </Show>
  );
}
