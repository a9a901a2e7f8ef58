import { createEffect, createMemo, createSignal, on, Show } from "solid-js";
import { roundedUp } from "../../marks/format";
import { type Input, inputOf } from "../../state/session";
import type { Example, HelloMessage } from "../../wire/messages";
import type { Page } from "../page";

export type Prompt = ReturnType<typeof createPrompt>;

/** The text that is being written, and how it is run. */
export function createPrompt({ session, trace }: Page) {
  const [text, setText] = createSignal("");
  const [pair, setPair] = createSignal<string | null>(null);
  const model = () => trace()?.model.name ?? session.hello()?.model ?? null;

  createEffect(
    on(
      createMemo(() => trace()?.trace),
      () => {
        const input = trace()?.input;
        if (input?.text == null) return;
        setText(input.text);
        setPair(input.pair);
      },
    ),
  );
  const run = (part: Partial<Input> = {}): void => {
    const second = pair()?.trim() ? pair() : null;
    const input = { text: text(), pair: second, model: model(), ...part };
    if (input.text.trim() !== "") void session.run(input);
  };
  const show = (example: Example): void => {
    setText(example.text);
    setPair(example.pair);
    const input = inputOf(example);
    run({ ...input, model: input.model ?? model() });
  };
  const running = () => session.work()?.what === "run";
  const canRun = () => session.hello()?.can.includes("run") ?? true;
  return { text, setText, pair, setPair, model, run, show, running, canRun };
}

/** A long text unfolds over the page while one types it; once it runs, the picture is what one wants to see. */
function fold(form: HTMLElement): void {
  const box = form.querySelector<HTMLTextAreaElement>("textarea:focus");
  if (box !== null && box.scrollHeight > 1.5 * Number.parseFloat(getComputedStyle(box).lineHeight) + 20)
    box.blur();
}

/** The text to run, and where the model takes one, a sentence B. */
export function PromptForm(props: {
  readonly prompt: Prompt;
  readonly boxRef: (box: HTMLTextAreaElement) => void;
}) {
  const { text, setText, pair, setPair, run, running } = props.prompt;
  let form!: HTMLFormElement;
  const enter = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    fold(form);
    run();
  };
  return (
    <form
      class="prompt"
      ref={form}
      on:submit={(event) => {
        event.preventDefault();
        fold(form);
        run();
      }}
    >
      <div class="boxes">
        <div class="text">
          <textarea
            ref={props.boxRef}
            rows="1"
            aria-label="Prompt"
            data-testid="prompt"
            placeholder="Type a sentence and press Enter"
            spellcheck={false}
            value={text()}
            on:input={(event) => setText(event.currentTarget.value)}
            on:keydown={enter}
          />
        </div>
        <Show when={pair() !== null}>
          <div class="text">
            <textarea
              rows="1"
              aria-label="Sentence B"
              data-testid="sentence-b"
              placeholder="Sentence B"
              spellcheck={false}
              value={pair() ?? ""}
              on:input={(event) => setPair(event.currentTarget.value)}
              on:keydown={enter}
            />
          </div>
        </Show>
      </div>
      <button
        type="button"
        class="second"
        data-testid="toggle-b"
        aria-label={pair() === null ? "Add a sentence B" : "Take sentence B away"}
        title={pair() === null ? "Add a sentence B" : "Take sentence B away"}
        on:click={() => {
          setPair(pair() === null ? "" : null);
          queueMicrotask(() => form.querySelector<HTMLElement>("[data-testid=sentence-b]")?.focus());
        }}
      >
        {pair() === null ? "+ B" : "− B"}
      </button>
      <button type="submit" class="run" data-testid="run" disabled={running() || text().trim() === ""}>
        Run
      </button>
    </form>
  );
}

/** The text of a trace that no model is there for. */
export function GivenText(props: {
  readonly text: string;
  readonly pair: string | null;
  /** The exported file that it is in. */
  readonly file: HelloMessage["file"] | null;
}) {
  const without = () =>
    props.file
      ? `A file by itself: no other text can be run here. Its weights are right to ${roundedUp(props.file.error)}.`
      : "A trace without its model: no other text can be run here, and no check.";
  return (
    <div class="given" data-testid="given-text">
      <p class="said" tabindex="0">
        <bdi>{props.text || "(its text was not kept)"}</bdi>
        <Show when={props.pair}>
          <span class="quiet"> / </span>
          <bdi>{props.pair}</bdi>
        </Show>
      </p>
      <p class="quiet num">{without()}</p>
    </div>
  );
}
