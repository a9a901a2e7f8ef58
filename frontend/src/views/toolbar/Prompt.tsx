import { Show } from "solid-js";
import type { TraceMessage } from "../../wire/messages";
import { ImageInput } from "../image/ImageInput";
import { ChatBox } from "./ChatBox";
import type { PromptState } from "./createPrompt";

/** A long text unfolds over the page while one types it; once it runs, the picture is what one wants to see. */
function fold(form: HTMLElement): void {
  const box = form.querySelector<HTMLTextAreaElement>("textarea:focus");
  if (box !== null && box.scrollHeight > 1.5 * Number.parseFloat(getComputedStyle(box).lineHeight) + 20)
    box.blur();
}

const NO_TARGET = "Target: empty, the model writes its own";

/** What the model wrote as its target, for the empty box of one that nobody gave; a sentence where there is none yet. */
function ownTarget(trace: TraceMessage | null): string {
  if (trace === null || trace.input.target != null) return NO_TARGET;
  const written = (trace.tokens.target ?? []).filter(({ special }) => !special).map(({ text }) => text);
  return written.length === 0 ? NO_TARGET : `the model’s own: ${written.join("").trim()}`;
}

/** The text to run; where the model takes one, a sentence B, a target, or a chat. */
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
    fold(form);
    run();
  };
  const box = (more: {
    readonly label: string;
    readonly testid: string;
    readonly placeholder: () => string;
    readonly value: () => string;
    readonly onInput: (text: string) => void;
    readonly ref?: (box: HTMLTextAreaElement) => void;
  }) => (
    <div class="text">
      <textarea
        ref={(element) => more.ref?.(element)}
        rows="1"
        aria-label={more.label}
        data-testid={more.testid}
        placeholder={more.placeholder()}
        spellcheck={false}
        value={more.value()}
        on:input={(event) => more.onInput(event.currentTarget.value)}
        on:keydown={enter}
      />
    </div>
  );
  const empty = () => {
    if (prompt.canSee() && prompt.image() !== null) return false;
    if (prompt.onlySees()) return true;
    return (chat() ?? [{ content: text() }]).every(({ content }) => content.trim() === "");
  };
  const wanted = () => {
    if (prompt.hasTarget()) return "Source text";
    return prompt.canSee() && prompt.image() !== null
      ? "A text beside the picture, or none"
      : "Type a sentence and press Enter";
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
        <p class="quiet picture-hint">Drop or paste a picture, or choose one.</p>
      </Show>
      <Show
        when={chat() === null && !prompt.onlySees()}
        fallback={prompt.onlySees() ? null : <ChatBox prompt={prompt} />}
      >
        <div class="boxes">
          {box({
            ...{ label: "Prompt", testid: "prompt", value: text, onInput: setText, ref: props.boxRef },
            placeholder: wanted,
          })}
          <Show when={prompt.hasTarget()}>
            {box({
              ...{ label: "Target", testid: "target", value: prompt.target, onInput: prompt.setTarget },
              placeholder: () => ownTarget(prompt.trace()),
            })}
          </Show>
          <Show when={!prompt.hasTarget() && pair() !== null}>
            {box({
              ...{ label: "Sentence B", testid: "sentence-b", onInput: setPair },
              ...{ value: () => pair() ?? "", placeholder: () => "Sentence B" },
            })}
          </Show>
        </div>
        <Show when={!prompt.hasTarget()}>
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
        </Show>
      </Show>
      <Show when={prompt.canChat()}>
        <button
          type="button"
          class="second"
          aria-pressed={chat() !== null}
          data-testid="chat"
          title={
            chat() === null ? "Messages through the model’s chat template" : "One text, without the template"
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
