/** The draft in the prompt (text, pair, target, chat, image), and how to run it. */

import { createEffect, createMemo, createSignal, on } from "solid-js";
import { type Input, inputOf } from "../../state/input";
import type { ChatMessage, Example } from "../../wire/messages";
import type { ImageFile } from "../image/ImageInput";
import type { Page } from "../page/page";

export type PromptState = ReturnType<typeof createPrompt>;

export function createPrompt({ session, trace }: Page) {
  const [text, setText] = createSignal("");
  const [pair, setPair] = createSignal<string | null>(null);
  const [target, setTarget] = createSignal("");
  const [image, setImage] = createSignal<ImageFile | null>(null);
  const [chat, setChat] = createSignal<readonly ChatMessage[] | null>(null);
  const [continues, setContinues] = createSignal(false);
  /** Whether the prompt was edited during a run. The result of that run must not overwrite the edit. */
  let edited = false;
  const model = () => trace()?.model.name ?? session.lastInput()?.model ?? session.hello()?.model ?? null;
  const entry = () => session.hello()?.models.find(({ name }) => name === model());
  /** Whether the model is an encoder-decoder: it reads a source and generates a target. */
  const hasTarget = () => (trace()?.model.kind ?? entry()?.kind) === "encoder-decoder";
  const takes = (): readonly string[] => entry()?.takes ?? ["text"];
  const canSee = () => takes().includes("image");
  /** Whether the model accepts images only. */
  const onlySees = () => canSee() && !takes().includes("text");
  const chooseImage = (file: ImageFile | null): void => {
    setImage(file);
    if (file !== null && onlySees()) run();
  };
  const canChat = () =>
    chat() !== null || (entry()?.chat === true && (entry()?.kind ?? "decoder") === "decoder");

  const fill = (
    input: Pick<Input, "pair" | "target" | "messages" | "continues"> & { readonly text: string | null },
  ): void => {
    if (input.text === null) return;
    setChat(input.messages ?? null);
    setContinues(input.continues === true);
    setText(input.messages == null ? input.text : (input.messages.at(-1)?.content ?? ""));
    setPair(input.pair);
    setTarget(input.target ?? "");
  };
  createEffect(
    on(
      createMemo(() => trace()?.trace),
      () => {
        const input = trace()?.input;
        if (input !== undefined && !edited) fill({ ...input, continues: input.continue_final_message });
        edited = false;
      },
    ),
  );
  // The input from the address is in the prompt from the start: you see what runs, and can correct it if it fails.
  createEffect(
    on(session.lastInput, (input) => {
      if (input !== null && trace() === null) fill(input);
    }),
  );
  const recordEdit = <T>(set: (value: T) => void) => {
    return (value: T): void => {
      if (running()) edited = true;
      set(value);
    };
  };
  const run = (part: Partial<Input> = {}): void => {
    edited = false;
    const sentenceB = pair()?.trim() ? pair() : null;
    const targetText = hasTarget() && target().trim() !== "" ? target() : null;
    const input = {
      text: text(),
      pair: sentenceB,
      target: targetText,
      messages: chat(),
      continues: continues(),
      model: model(),
      ...part,
    };
    const bytes = canSee() ? (image()?.bytes ?? null) : null;
    if (onlySees()) {
      if (bytes !== null) void session.run({ text: "", pair: null, image: bytes, model: model() });
      return;
    }
    const empty = input.text.trim() === "" && input.messages === null && bytes === null;
    if (!empty) void session.run({ image: bytes, ...input });
  };
  const show = (example: Example): void => {
    setText(example.text);
    setPair(example.pair);
    const input = inputOf(example);
    run({ target: null, messages: null, ...input, model: input.model ?? model() });
  };
  /** Turns the text into the first message of a chat, or the last message back into a text. */
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
    ...{ text, pair, target, hasTarget, chat, canChat, switchChat, continues },
    ...{ setText: recordEdit(setText), setPair: recordEdit(setPair), setTarget: recordEdit(setTarget) },
    ...{ setChat: recordEdit(setChat), setContinues: recordEdit(setContinues) },
    ...{ trace, model, run, show, running, canRun },
    ...{ image, chooseImage, canSee, onlySees, fail: session.fail },
    imageBytes: () => session.hello()?.limits.image_bytes ?? 2 ** 23,
  };
}
