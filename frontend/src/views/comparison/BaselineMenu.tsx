import { For, type JSX, Show } from "solid-js";
import type { BaselineChoice } from "../../state/comparison";
import { inputOfTrace } from "../../state/input";
import { currentPass } from "../../state/state";
import { inputName } from "../../state/stepNames";
import type { ModelEntry } from "../../wire/messages";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";
import { OpenFile } from "./OpenFile";

/** Chooses what the current pass is compared with. */
export function BaselineMenu(props: {
  readonly page: Page;
  readonly face: JSX.Element;
  readonly class: string;
}) {
  return (
    <Popover
      kind="dialog"
      label="Compare with…"
      title="Choose what to compare with (c)"
      class={props.class}
      testid="baseline"
      face={props.face}
    >
      {(close) => <Baselines page={props.page} close={close} />}
    </Popover>
  );
}

function Baselines(props: { readonly page: Page; readonly close: () => void }) {
  const { session, state } = props.page;
  const current = () => currentPass(state());
  const own = () => {
    const pass = current();
    return pass === null ? null : inputOfTrace(pass);
  };
  const kind = () => state().comparison?.kind ?? null;
  const models = () =>
    session.can("run")
      ? (session.hello()?.models ?? []).filter(({ name }) => name !== current()?.model.name)
      : [];
  const whyNot = (model: ModelEntry): string | null => {
    const pass = current();
    if (pass === null || own() === null) return "this input cannot be run again";
    if (model.kind !== pass.model.kind) return `another kind of model: ${model.kind}`;
    if (model.takes != null && !model.takes.includes("text")) return "takes no text";
    return null;
  };
  const earlier = () => session.recentInputs().filter(({ trace }) => trace.trace !== current()?.trace);
  let prompt!: HTMLTextAreaElement;
  const choose = (choice: BaselineChoice | null): void => {
    props.close();
    void session.compareWith(choice);
  };
  const isBaseline = (trace: string) => state().comparison?.baseline.trace === trace;
  return (
    <div class="baseline-menu">
      <Show when={session.canChange()}>
        <Choice
          testid="baseline-unchanged"
          chosen={kind() === "unchanged"}
          title="The model as it is"
          note="the same prompt without changes"
          onChoose={() => choose({ kind: "unchanged" })}
        />
      </Show>
      <Choice
        testid="baseline-kept"
        chosen={kind() === "kept"}
        title="What is shown now"
        note="keep this pass as the baseline and go on changing"
        onChoose={() => choose({ kind: "kept" })}
      />
      <Show when={session.can("run") && own()}>
        {(input) => (
          <form
            class="baseline-prompt"
            on:submit={(event) => {
              event.preventDefault();
              const text = prompt.value;
              if (text.trim() === "") return;
              choose({ kind: "prompt", input: { ...input(), text, messages: null, continues: false } });
            }}
          >
            <label for="baseline-text">
              <Mark chosen={kind() === "prompt"} />
              Another prompt
              <small>tokens are aligned: equal words, substituted words</small>
            </label>
            <textarea
              id="baseline-text"
              data-testid="baseline-text"
              ref={prompt}
              rows="2"
              value={kind() === "prompt" ? (state().comparison?.baseline.input.text ?? "") : input().text}
              on:keydown={(event) => {
                if (event.key === "Escape") return;
                event.stopPropagation();
                if (event.key !== "Enter" || event.shiftKey) return;
                event.preventDefault();
                event.currentTarget.form?.requestSubmit();
              }}
            />
            <button type="submit" class="ghost small" data-testid="baseline-prompt">
              Compare
            </button>
          </form>
        )}
      </Show>
      <Show when={models().length > 0}>
        <h3>Another model</h3>
        <For each={models()}>
          {(model) => (
            <Choice
              chosen={kind() === "model" && state().comparison?.baseline.model.name === model.name}
              title={model.title}
              note={whyNot(model) ?? "the same input; needs the same tokens"}
              dimmed={whyNot(model) !== null}
              onChoose={() => choose({ kind: "model", model: model.name })}
            />
          )}
        </For>
      </Show>
      <Show when={earlier().length > 0 || session.can("open")}>
        <h3>Another trace</h3>
        <For each={earlier()}>
          {({ trace }) => (
            <Choice
              chosen={kind() === "saved" && isBaseline(trace.trace)}
              title={inputName(trace.input)}
              note={trace.model.title ?? ""}
              onChoose={() => choose({ kind: "saved", trace })}
            />
          )}
        </For>
        <OpenFile page={props.page} close={props.close} />
      </Show>
      <Show when={state().comparison !== null}>
        <hr />
        <Choice
          testid="baseline-none"
          chosen={false}
          title="Nothing"
          note="end the comparison"
          onChoose={() => choose(null)}
        />
      </Show>
    </div>
  );
}

function Choice(props: {
  readonly testid?: string;
  readonly chosen: boolean;
  readonly title: string;
  readonly note: string;
  readonly dimmed?: boolean;
  readonly onChoose: () => void;
}) {
  return (
    <button
      type="button"
      class="choice"
      aria-current={props.chosen ? "true" : undefined}
      aria-disabled={props.dimmed === true}
      data-testid={props.testid}
      on:click={() => {
        if (props.dimmed !== true) props.onChoose();
      }}
    >
      <Mark chosen={props.chosen} />
      <span>{props.title}</span>
      <small>{props.note}</small>
    </button>
  );
}

function Mark(props: { readonly chosen: boolean }) {
  return (
    <i class="mark" aria-hidden="true">
      {props.chosen ? "✓" : ""}
    </i>
  );
}
