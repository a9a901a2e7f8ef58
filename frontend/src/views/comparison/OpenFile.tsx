import { Show } from "solid-js";
import type { Page } from "../page/page";

/** Opens a saved trace, to compare the current pass with it. */
export function OpenFile(props: { readonly page: Page; readonly close: () => void }) {
  const { session } = props.page;
  let file!: HTMLInputElement;
  const open = async (chosen: File): Promise<void> => {
    props.close();
    const opened = await session.openFile(chosen);
    if (opened === null) return;
    const trace = await session.traceOf(opened.current);
    if (trace !== null) await session.compareWith({ kind: "saved", trace });
  };
  return (
    <Show when={session.can("open")}>
      <button type="button" class="choice" data-testid="baseline-open" on:click={() => file.click()}>
        <i class="mark" aria-hidden="true" />
        <span>A saved trace…</span>
        <small>opens a .trace file or a workspace; its model may be absent</small>
      </button>
      <input
        ref={file}
        type="file"
        accept=".trace,.workspace"
        hidden
        data-testid="baseline-file"
        on:change={(event) => {
          const [chosen] = event.currentTarget.files ?? [];
          if (chosen !== undefined) void open(chosen);
        }}
      />
    </Show>
  );
}
