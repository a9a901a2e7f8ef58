/** The text that is being written, with its pair, target, chat or image, and how it is run. */

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
  /** Whether something was written while a run was on its way: its answer does not take that back. */
  let drafted = false;
  const model = () => trace()?.model.name ?? session.lastInput()?.model ?? session.hello()?.model ?? null;
  const entry = () => session.hello()?.models.find(({ name }) => name === model());
  /** Whether the model reads a source and writes a target. */
  const hasTarget = () => (trace()?.model.kind ?? entry()?.kind) === "encoder-decoder";
  const takes = (): readonly string[] => entry()?.takes ?? ["text"];
  const canSee = () => takes().includes("image");
  /** Whether a picture is all that the model reads. */
  const onlySees = () => canSee() && !takes().includes("text");
  const chooseImage = (one: ImageFile | null): void => {
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
    on(session.lastInput, (input) => {
      if (input !== null && trace() === null) fill(input);
    }),
  );
  const writing = <T>(set: (value: T) => void) => {
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
    const bytes = canSee() ? (image()?.bytes ?? null) : null;
    if (onlySees()) {
      if (bytes !== null) void session.run({ text: "", pair: null, image: bytes, model: model() });
      return;
    }
    const nothing = input.text.trim() === "" && input.messages === null && bytes === null;
    if (!nothing) void session.run({ image: bytes, ...input });
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
