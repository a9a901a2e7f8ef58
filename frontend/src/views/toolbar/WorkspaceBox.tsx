import { createSignal, For, Show } from "solid-js";
import { download } from "../export/saveFigure";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";

/** Whether a workspace can be kept here at all. */
export function hasWorkspace({ session }: Page): boolean {
  return session.can("save") || session.can("open");
}

/** The workspace under its own button. */
export function WorkspaceMenu(props: { readonly page: Page }) {
  return (
    <Popover
      kind="dialog"
      label="Workspace"
      title="Workspace: save and open, notes, kept views"
      class="ghost icon"
      testid="workspace"
      align="end"
      face={<FolderIcon />}
    >
      {(close) => <WorkspaceBox page={props.page} close={close} />}
    </Popover>
  );
}

/** What belongs to the work with these passes: notes, kept views, and the file that holds all of it. */
export function WorkspaceBox(props: { readonly page: Page; readonly close: () => void }) {
  const { session } = props.page;
  const { workspace } = session;
  const [title, setTitle] = createSignal("");
  let file!: HTMLInputElement;
  const save = async (): Promise<void> => {
    const saved = await workspace.save();
    if (saved === null) return;
    download(new Blob([saved.bytes]), saved.name);
    props.page.notify(`${saved.name} saved`);
  };
  const keep = (): void => {
    workspace.keepView(title());
    setTitle("");
  };
  const inside = (event: KeyboardEvent): void => {
    if (event.key !== "Escape") event.stopPropagation();
  };
  return (
    <div class="workspace-box">
      <div class="row">
        <Show when={session.can("open")}>
          <button type="button" class="ghost" data-testid="workspace-open" on:click={() => file.click()}>
            Open…
          </button>
          <input
            ref={file}
            type="file"
            accept=".trace,.workspace"
            hidden
            data-testid="workspace-file"
            on:change={(event) => {
              const [chosen] = event.currentTarget.files ?? [];
              if (chosen === undefined) return;
              props.close();
              void workspace.openWorkspace(chosen);
            }}
          />
        </Show>
        <Show when={session.can("save")}>
          <button
            type="button"
            class="ghost"
            title="Save both passes, the changes, notes and kept views in one file"
            data-testid="workspace-save"
            on:click={() => void save()}
          >
            Save workspace
          </button>
        </Show>
      </div>
      <h3>Kept views</h3>
      <Show when={workspace.trail().length > 0}>
        <ol class="trail" aria-label="Kept views">
          <For each={workspace.trail()}>
            {(entry) => (
              <li>
                <button
                  type="button"
                  data-testid="kept-view"
                  title={`Go back to ${entry.title}`}
                  on:click={() => {
                    props.close();
                    void workspace.goTo(entry);
                  }}
                >
                  {entry.title}
                </button>
                <button
                  type="button"
                  class="tool"
                  aria-label={`Remove ${entry.title}`}
                  on:click={() => workspace.forget(entry)}
                >
                  ×
                </button>
              </li>
            )}
          </For>
        </ol>
      </Show>
      <form
        class="row"
        on:submit={(event) => {
          event.preventDefault();
          keep();
        }}
      >
        <input
          type="text"
          aria-label="Title of this view"
          placeholder="Title of this view"
          value={title()}
          data-testid="view-title"
          on:keydown={inside}
          on:input={(event) => setTitle(event.currentTarget.value)}
        />
        <button type="submit" class="ghost small" data-testid="keep-view">
          Keep this view
        </button>
      </form>
      <h3>
        <label for="workspace-notes">Notes</label>
      </h3>
      <textarea
        id="workspace-notes"
        rows="5"
        data-testid="notes"
        value={workspace.notes()}
        on:keydown={inside}
        on:input={(event) => workspace.setNotes(event.currentTarget.value)}
      />
    </div>
  );
}

function FolderIcon() {
  return (
    <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      <path d="M1.5 3.5V11.5H12.5V4.8H6.6L5.2 3.5Z" />
    </svg>
  );
}
