import { Show } from "solid-js";
import type { TraceMessage } from "../../wire/messages";
import { ImageInput } from "../image/ImageInput";
import { ChatBox } from "./ChatBox";
import type { PromptState } from "./createPrompt";

/** Collapses a prompt that grew over the page while it was edited, so that it does not cover the result. */
function collapse(form: HTMLElement): void {
  const box = form.querySelector<HTMLTextAreaElement>("textarea:focus");
  if (box !== null && box.scrollHeight > 1.5 * Number.parseFloat(getComputedStyle(box).lineHeight) + 20)
    box.blur();
}

const NO_TARGET = "Target (generated if empty)";

/** Placeholder of an empty target box: the target that the model generated, or a hint if there is none yet. */
function targetPlaceholder(trace: TraceMessage | null): string {
  if (trace === null || trace.input.target != null) return NO_TARGET;
  const written = (trace.tokens.target ?? []).filter(({ special }) => !special).map(({ text }) => text);
  return written.length === 0 ? NO_TARGET : `generated: ${written.join("").trim()}`;
}

/** The text to run, with a sentence B, a target, an image, or a chat where the model accepts them. */
export function Prompt(props: {
  readonly prompt: PromptState;
  readonly boxRef: (box: HTMLTextAreaElement) => void;
}) {
  const { prompt } = props;
  const { text, setText, pair, setPair, run, running, chat } = prompt;
  let form!: HTMLFormElement;
  const enter = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    collapse(form);
    run();
  };
  const box = (more: {
    readonly label: () => string;
    /** A visible name, where there are two boxes. */
    readonly sign: () => string | null;
    readonly testid: string;
    readonly placeholder: () => string;
    readonly value: () => string;
    readonly onInput: (text: string) => void;
    readonly ref?: (box: HTMLTextAreaElement) => void;
  }) => (
    <div class="text" data-value={more.value()}>
      <Show when={more.sign()}>
        {(sign) => (
          <span class="sign" aria-hidden="true">
            {sign()}
          </span>
        )}
      </Show>
      <textarea
        ref={(element) => more.ref?.(element)}
        rows="1"
        aria-label={more.label()}
        data-testid={more.testid}
        placeholder={more.placeholder()}
        spellcheck={false}
        value={more.value()}
        on:input={(event) => more.onInput(event.currentTarget.value)}
        on:keydown={enter}
      />
    </div>
  );
  /** The name of the first box, if there is a second one. */
  const sign = () => (prompt.hasTarget() ? "Source" : pair() === null ? null : "A");
  const empty = () => {
    if (prompt.canSee() && prompt.image() !== null) return false;
    if (prompt.onlySees()) return true;
    return (chat() ?? [{ content: text() }]).every(({ content }) => content.trim() === "");
  };
  const placeholder = () => {
    if (prompt.hasTarget()) return "Source text";
    return prompt.canSee() && prompt.image() !== null
      ? "Text to go with the image (optional)"
      : "Type a sentence and press Enter";
  };
  return (
    <form
      class="prompt"
      ref={form}
      on:submit={(event) => {
        event.preventDefault();
        collapse(form);
        run();
      }}
    >
      <Show when={prompt.canSee()}>
        <ImageInput
          image={prompt.image()}
          alone={prompt.onlySees()}
          most={prompt.imageBytes()}
          onImage={prompt.chooseImage}
          onFailure={prompt.fail}
        />
      </Show>
      <Show when={prompt.onlySees()}>
        <p class="quiet picture-hint">Drop, paste, or choose an image.</p>
      </Show>
      <Show
        when={chat() === null && !prompt.onlySees()}
        fallback={prompt.onlySees() ? null : <ChatBox prompt={prompt} />}
      >
        <div class="boxes">
          {box({
            ...{
              label: () =>
                sign() === null ? "Prompt" : `Prompt: ${sign() === "A" ? "sentence A" : "source"}`,
              testid: "prompt",
              value: text,
              onInput: setText,
              ref: props.boxRef,
            },
            ...{ placeholder, sign },
          })}
          <Show when={prompt.hasTarget()}>
            {box({
              ...{
                label: () => "Target",
                sign: () => "Target",
                testid: "target",
                value: prompt.target,
                onInput: prompt.setTarget,
              },
              placeholder: () => targetPlaceholder(prompt.trace()),
            })}
          </Show>
          <Show when={!prompt.hasTarget() && pair() !== null}>
            {box({
              ...{ label: () => "Sentence B", sign: () => "B", testid: "sentence-b", onInput: setPair },
              ...{ value: () => pair() ?? "", placeholder: () => "Sentence B" },
            })}
          </Show>
        </div>
        <Show when={!prompt.hasTarget()}>
          <button
            type="button"
            class="second"
            data-testid="toggle-b"
            aria-label={pair() === null ? "Add sentence B" : "Remove sentence B"}
            title={pair() === null ? "Add sentence B" : "Remove sentence B"}
            on:click={() => {
              setPair(pair() === null ? "" : null);
              queueMicrotask(() => form.querySelector<HTMLElement>("[data-testid=sentence-b]")?.focus());
            }}
          >
            {pair() === null ? "+ B" : "− B"}
          </button>
        </Show>
      </Show>
      <Show when={prompt.canChat()}>
        <button
          type="button"
          class="second"
          aria-pressed={chat() !== null}
          data-testid="chat"
          title={
            chat() === null
              ? "Write chat messages; the model’s chat template formats them"
              : "Switch back to a single text without the chat template"
          }
          on:click={prompt.switchChat}
        >
          Chat
        </button>
      </Show>
      <button type="submit" class="run" data-testid="run" disabled={running() || empty()}>
        Run
      </button>
    </form>
  );
}
