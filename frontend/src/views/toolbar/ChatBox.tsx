import { Index } from "solid-js";
import { counted } from "../../marks/format";
import type { ChatMessage } from "../../wire/messages";
import { Popover } from "../shared/Popover";
import type { PromptState } from "./createPrompt";

const ROLES = ["system", "user", "assistant"] as const;

/** A chat: its messages in one line, which opens a box to edit them. */
export function ChatBox(props: { readonly prompt: PromptState }) {
  let box!: HTMLDivElement;
  const turns = () => props.prompt.chat() ?? [];
  const change = (at: number, part: Partial<ChatMessage>): void => {
    props.prompt.setChat(turns().map((turn, index) => (index === at ? { ...turn, ...part } : turn)));
  };
  const add = (): void => {
    const role = turns().at(-1)?.role === "user" ? "assistant" : "user";
    props.prompt.setChat([...turns(), { role, content: "" }]);
    queueMicrotask(() => box.querySelector<HTMLElement>("[data-first]")?.focus());
  };
  const onKey = (event: KeyboardEvent, close: () => void): void => {
    // Arrow keys move within the text, not between the controls of the box.
    if (event.key.startsWith("Arrow")) event.stopPropagation();
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    close();
    props.prompt.run();
  };
  return (
    <Popover
      kind="dialog"
      label={`Chat with ${counted(turns().length, "message")}`}
      class="chat-line"
      testid="chat-line"
      face={
        <Index each={turns()}>
          {(turn) => (
            <span>
              <b class="quiet">{turn().role}</b> <bdi>{turn().content || "…"}</bdi>{" "}
            </span>
          )}
        </Index>
      }
    >
      {(close) => (
        <div
          class="chat-box"
          ref={(element) => {
            box = element;
          }}
        >
          <Index each={turns()}>
            {(turn, at) => (
              <div class="turn">
                <select
                  aria-label={`Role of message ${at + 1}`}
                  value={turn().role}
                  on:change={(event) => change(at, { role: event.currentTarget.value })}
                >
                  {[...new Set([...ROLES, turn().role])].map((role) => (
                    <option value={role} selected={role === turn().role}>
                      {role}
                    </option>
                  ))}
                </select>
                <textarea
                  rows="2"
                  aria-label={`Message ${at + 1}`}
                  data-testid={`message-${at}`}
                  data-first={at === turns().length - 1 ? "" : undefined}
                  spellcheck={false}
                  value={turn().content}
                  on:input={(event) => change(at, { content: event.currentTarget.value })}
                  on:keydown={(event) => onKey(event, close)}
                />
                <button
                  type="button"
                  class="tool"
                  aria-label={`Remove message ${at + 1}`}
                  disabled={turns().length === 1}
                  on:click={() => props.prompt.setChat(turns().filter((_, index) => index !== at))}
                >
                  ×
                </button>
              </div>
            )}
          </Index>
          <div class="chat-end">
            <button type="button" class="ghost small" data-testid="add-message" on:click={add}>
              Add message
            </button>
            <label
              class="check"
              title="The text ends within the last message, so the model continues it instead of answering it"
            >
              <input
                type="checkbox"
                data-testid="continue-message"
                checked={props.prompt.continues()}
                on:change={(event) => props.prompt.setContinues(event.currentTarget.checked)}
              />
              Continue the last message
            </label>
          </div>
        </div>
      )}
    </Popover>
  );
}
