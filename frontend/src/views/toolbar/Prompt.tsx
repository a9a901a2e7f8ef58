import { createEffect, createMemo, createSignal, on, Show } from "solid-js";
import { roundedUp } from "../../marks/format";
import { type Input, inputOf } from "../../state/input";
import type { ChatMessage, Example, HelloMessage, TraceMessage } from "../../wire/messages";
import { type GivenImage, ImageInput } from "../image/ImageInput";
import type { Page } from "../page/page";
import { ChatBox } from "./ChatBox";

export type Prompt = ReturnType<typeof createPrompt>;

/** The text that is being written, and how it is run. */
export function createPrompt({ session, trace }: Page) {
  const [text, setText] = createSignal("");
  const [pair, setPair] = createSignal<string | null>(null);
  const [target, setTarget] = createSignal("");
  const [image, setImage] = createSignal<GivenImage | null>(null);
  const [chat, setChat] = createSignal<readonly ChatMessage[] | null>(null);
  /** Whether something was written while a run was on its way: its answer does not take that back. */
  let drafted = false;
  const model = () => trace()?.model.name ?? session.asked()?.model ?? session.hello()?.model ?? null;
  const entry = () => session.hello()?.models.find(({ name }) => name === model());
  /** Whether the model reads a source and writes a target. */
  const hasTarget = () => (trace()?.model.kind ?? entry()?.kind) === "encoder-decoder";
  const takes = (): readonly string[] => entry()?.takes ?? ["text"];
  const canSee = () => takes().includes("image");
  /** Whether a picture is all that the model reads. */
  const onlySees = () => canSee() && !takes().includes("text");
  const chooseImage = (one: GivenImage | null): void => {
    setImage(one);
    if (one !== null && onlySees()) run();
  };
  const canChat = () =>
    chat() !== null || (entry()?.chat === true && (entry()?.kind ?? "decoder") === "decoder");

  const fill = (
    input: Pick<Input, "pair" | "target" | "messages"> & { readonly text: string | null },
  ): void => {
    if (input.text === null) return;
    setChat(input.messages ?? null);
    setText(input.messages == null ? input.text : (input.messages.at(-1)?.content ?? ""));
    setPair(input.pair);
    setTarget(input.target ?? "");
  };
  createEffect(
    on(
      createMemo(() => trace()?.trace),
      () => {
        const input = trace()?.input;
        if (input !== undefined && !drafted) fill(input);
        drafted = false;
      },
    ),
  );
  // What an address asks for stands in the box from the beginning: one sees what runs, and can mend what is refused.
  createEffect(
    on(session.asked, (input) => {
      if (input !== null && trace() === null) fill(input);
    }),
  );
  const writing = <T,>(set: (value: T) => void) => {
    return (value: T): void => {
      if (running()) drafted = true;
      set(value);
    };
  };
  const run = (part: Partial<Input> = {}): void => {
    drafted = false;
    const second = pair()?.trim() ? pair() : null;
    const given = hasTarget() && target().trim() !== "" ? target() : null;
    const input = { text: text(), pair: second, target: given, messages: chat(), model: model(), ...part };
    const picture = canSee() ? (image()?.bytes ?? null) : null;
    if (onlySees()) {
      if (picture !== null) void session.run({ text: "", pair: null, image: picture, model: model() });
      return;
    }
    const nothing = input.text.trim() === "" && input.messages === null && picture === null;
    if (!nothing) void session.run({ image: picture, ...input });
  };
  const show = (example: Example): void => {
    setText(example.text);
    setPair(example.pair);
    const input = inputOf(example);
    run({ target: null, messages: null, ...input, model: input.model ?? model() });
  };
  /** Turns the text into the first message of a chat, or the last message into a text. */
  const switchChat = (): void => {
    const turns = chat();
    if (turns === null) setChat([{ role: "user", content: text() }]);
    else {
      setText(turns.at(-1)?.content ?? "");
      setChat(null);
    }
  };
  const running = () => session.work()?.what === "run";
  const canRun = () => session.hello()?.can.includes("run") ?? true;
  return {
    ...{ text, pair, target, hasTarget, chat, canChat, switchChat },
    ...{ setText: writing(setText), setPair: writing(setPair), setTarget: writing(setTarget) },
    setChat: writing(setChat),
    ...{ trace, model, run, show, running, canRun },
    ...{ image, chooseImage, canSee, onlySees, fail: session.fail },
    imageBytes: () => session.hello()?.limits.image_bytes ?? 2 ** 23,
  };
}

/** A long text unfolds over the page while one types it; once it runs, the picture is what one wants to see. */
function fold(form: HTMLElement): void {
  const box = form.querySelector<HTMLTextAreaElement>("textarea:focus");
  if (box !== null && box.scrollHeight > 1.5 * Number.parseFloat(getComputedStyle(box).lineHeight) + 20)
    box.blur();
}

/** What the model wrote as its target, for the empty box of one that nobody gave; a sentence where there is none yet. */
function ownTarget(trace: TraceMessage | null): string {
  if (trace === null || trace.input.target != null) return "Target: empty, the model writes its own";
  const written = (trace.tokens.target ?? []).filter(({ special }) => !special).map(({ text }) => text);
  return written.length === 0
    ? "Target: empty, the model writes its own"
    : `the model’s own: ${written.join("").trim()}`;
}

/** The text to run; where the model takes one, a sentence B, a target, or a chat. */
export function PromptForm(props: {
  readonly prompt: Prompt;
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

/** The text of a trace that no model is there for. */
export function GivenText(props: {
  readonly input: TraceMessage["input"] | null;
  /** Whether the input was a picture. */
  readonly picture: boolean;
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
        <bdi>{props.input?.text || (props.picture ? "A picture" : "(its text was not kept)")}</bdi>
        <Show when={props.input?.pair}>
          <span class="quiet"> / </span>
          <bdi>{props.input?.pair}</bdi>
        </Show>
        <Show when={props.input?.target}>
          <span class="quiet"> → </span>
          <bdi>{props.input?.target}</bdi>
        </Show>
      </p>
      <p class="quiet num">{without()}</p>
    </div>
  );
}
