import { createEffect, createSignal, on, onCleanup, Show } from "solid-js";
import { bakeProgram, changeProgram } from "../../figures/changeProgram";
import { editPython } from "../../figures/edits";
import { fileName } from "../../figures/fileName";
import { putChanges } from "../../state/changes";
import { editsFromJson, editsToJson } from "../../state/editFile";
import { sentenceOf } from "../../state/failure";
import { RequestSlot, runRequest } from "../../state/request";
import { currentPass, editsMade } from "../../state/state";
import type { EditsMessage } from "../../wire/messages";
import { download } from "../export/saveFigure";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";
import { AddForm } from "./AddForm";

/** How long the list must rest before the host is asked about it. */
const REST_MS = 400;
/** Bytes of a JSON file that the page reads. */
const MOST_BYTES = 20e6;

/** What can be done with all changes: add one by name, save, load, copy as Python, write into the weights. */
export function ListTools(props: { readonly page: Page }) {
  const { page } = props;
  const { session, state } = page;
  const made = () => editsMade(state().changes);
  const [told, setTold] = createSignal<EditsMessage["edits"] | null>(null);
  const [problem, setProblem] = createSignal<string | null>(null);
  const slot = new RequestSlot();
  onCleanup(() => slot.abort());
  let file!: HTMLInputElement;

  /** Asks for the changes as Python, and whether they can be written into the weights. */
  const ask = async (): Promise<EditsMessage["edits"] | null> => {
    const pass = currentPass(state());
    const edits = made();
    if (pass === null || edits.length === 0 || !session.can("edits")) return null;
    const ending = await runRequest(session.source, { type: "edits", trace: pass.trace, edits }, "edits", {
      signal: slot.next(),
      first: true,
    });
    if (ending.kind === "failed") setProblem(sentenceOf(ending.error));
    return ending.kind === "answered" ? (ending.message?.edits ?? null) : null;
  };
  createEffect(
    on(
      () => [made(), session.pending()] as const,
      ([edits, pending]) => {
        setTold(null);
        if (edits.length === 0 || pending) return;
        const timer = setTimeout(() => void ask().then(setTold), REST_MS);
        onCleanup(() => clearTimeout(timer));
      },
    ),
  );

  const save = (): void => {
    const { model, input } = currentPass(state()) ?? {};
    const name = fileName(model?.name ?? model?.title ?? "", "changes", input?.text ?? null);
    download(new Blob([editsToJson(made())], { type: "application/json" }), `${name}.json`);
    page.notify(`${name}.json saved`);
  };
  const load = async (chosen: File): Promise<void> => {
    setProblem(null);
    try {
      if (chosen.size > MOST_BYTES)
        throw new Error("This file is larger than 20 MB, too large for a list of edits.");
      const edits = editsFromJson(await chosen.text());
      session.change(putChanges(state().changes, edits), `load ${chosen.name}`);
    } catch (error) {
      setProblem(sentenceOf(error));
    }
  };
  const expressions = async (): Promise<readonly string[]> =>
    ((await ask()) ?? null)?.map(({ python }) => python) ?? made().map(editPython);
  const copy = async (program: typeof changeProgram, title: string): Promise<void> => {
    const pass = currentPass(state());
    if (pass !== null) await page.copy(title, program(pass, await expressions()));
  };
  const whyNoBake = (): string | null => {
    if (made().length === 0) return "There is no change to write into the weights.";
    if (!session.can("edits")) return "Only a live model can be saved with its changes.";
    const answers = told();
    if (answers === null) return "Asking whether these changes can be written into the weights…";
    return answers.find(({ bake }) => bake !== null)?.bake ?? null;
  };

  return (
    <div class="list-tools">
      <Show when={session.canChange()}>
        <Popover
          kind="dialog"
          label="Add by name…"
          title="Add a change by naming its layer, head and tokens"
          class="ghost small"
          testid="add-change"
          face={<>Add by name…</>}
        >
          {(close) => <AddForm page={page} close={close} />}
        </Popover>
        <button
          type="button"
          class="ghost small"
          title="Load a list of edits that was saved here or by attnscope.edits.to_json"
          data-testid="load-json"
          on:click={() => file.click()}
        >
          Load JSON
        </button>
        <input
          ref={file}
          type="file"
          accept=".json,application/json"
          hidden
          data-testid="json-file"
          on:change={(event) => {
            const [chosen] = event.currentTarget.files ?? [];
            event.currentTarget.value = "";
            if (chosen !== undefined) void load(chosen);
          }}
        />
      </Show>
      <span class="space" />
      <Show when={made().length > 0}>
        <button
          type="button"
          class="ghost small"
          title="Save the changes that are made as JSON, which attnscope.edits.from_json reads"
          data-testid="save-json"
          on:click={save}
        >
          Save JSON
        </button>
        <button
          type="button"
          class="ghost small"
          title="Copy a Python program that makes these changes"
          data-testid="copy-python"
          on:click={() => void copy(changeProgram, "Python code")}
        >
          Copy as Python
        </button>
        <button
          type="button"
          class="ghost small"
          aria-disabled={whyNoBake() !== null}
          title={
            whyNoBake() ??
            "Copy a Python program that writes these changes into the weights and saves the model"
          }
          data-testid="bake"
          on:click={() => {
            if (whyNoBake() === null) void copy(bakeProgram, "Python code");
            else page.notify(whyNoBake());
          }}
        >
          Bake…
        </button>
      </Show>
      <Show when={problem()}>
        <p class="problem" role="alert" data-testid="changes-problem">
          {problem()}
          <button type="button" class="link" on:click={() => setProblem(null)}>
            Dismiss
          </button>
        </p>
      </Show>
    </div>
  );
}
