import { createEffect, createMemo, createSignal, For, on, Show } from "solid-js";
import { type Input, inputOf, type Session } from "../state/session";
import { currentTrace, type Theme } from "../state/state";
import type { Example } from "../wire/messages";
import { CertificateBadge } from "./Certificate";
import { HelpButton } from "./Help";
import { Popover } from "./Popover";

const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const THEME_SIGN: Readonly<Record<Theme, string>> = { auto: "◐", light: "○", dark: "●" };

/** A long text unfolds over the page while one types it; once it runs, the picture is what one wants to see. */
function fold(form: HTMLElement): void {
  const box = form.querySelector<HTMLTextAreaElement>("textarea:focus");
  if (box !== null && box.scrollHeight > 1.5 * Number.parseFloat(getComputedStyle(box).lineHeight) + 20)
    box.blur();
}

/** The model with its facts, the prompt, and what belongs to the whole page. */
export function TopBar(props: {
  readonly session: Session;
  readonly promptRef: (box: HTMLTextAreaElement) => void;
}) {
  const { session } = props;
  const [text, setText] = createSignal("");
  const [pair, setPair] = createSignal<string | null>(null);
  const trace = () => currentTrace(session.state());
  const running = () => session.work()?.what === "run";
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
  const enter = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    const form = (event.currentTarget as HTMLElement).closest("form");
    if (form !== null) fold(form);
    run();
  };
  const facts = () => {
    const now = trace();
    const stack = now?.stacks[session.state().selection.stack];
    if (!now || !stack) return "";
    const parts = [`${stack.layers} × ${stack.heads} heads`];
    if (now.model.quantisation) parts.push(now.model.quantisation);
    return parts.join(" · ");
  };
  const theme = () => session.state().view.theme;
  const nextTheme = () => THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];

  const canRun = () => session.hello()?.can.includes("run") ?? true;
  const title = () => trace()?.model.title ?? (trace() === null ? "No model yet" : "Saved trace");

  return (
    <header class="top">
      <span class="logo">
        <Logo />
        <b>attnscope</b>
      </span>
      <span class="model">
        <Show when={canRun()} fallback={<b class="name">{title()}</b>}>
          <Popover
            kind="menu"
            label={`Model: ${title()}`}
            class="plain"
            testid="model-menu"
            face={
              <>
                <b>{title()}</b> <span class="caret">▾</span>
              </>
            }
          >
            {(close) => (
              <For each={session.hello()?.models ?? []}>
                {(entry) => (
                  <button
                    type="button"
                    role="menuitemradio"
                    aria-checked={entry.name === model()}
                    on:click={() => {
                      close();
                      run({ model: entry.name });
                    }}
                  >
                    <b>{entry.title}</b>
                    <span class="quiet">{entry.kind}</span>
                  </button>
                )}
              </For>
            )}
          </Popover>
        </Show>
        <span class="quiet facts num">{facts()}</span>
        <Show when={trace()}>
          {(now) => (
            <CertificateBadge
              certificate={now().certificate}
              canCheck={session.hello()?.can.includes("check") ?? false}
              checking={session.work()?.what === "check"}
              onCheck={() => void session.check()}
            />
          )}
        </Show>
      </span>
      <Show when={canRun()} fallback={<GivenText text={text()} pair={pair()} />}>
        <form
          class="prompt"
          on:submit={(event) => {
            event.preventDefault();
            fold(event.currentTarget);
            run();
          }}
        >
          <div class="boxes">
            <div class="text">
              <textarea
                ref={props.promptRef}
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
          <button type="submit" class="run" data-testid="run" disabled={running() || text().trim() === ""}>
            Run
          </button>
        </form>
      </Show>
      <div class="tools">
        <Show when={canRun()}>
          <button
            type="button"
            class="ghost"
            data-testid="toggle-b"
            on:click={() => setPair(pair() === null ? "" : null)}
          >
            {pair() === null ? "+ Sentence B" : "− Sentence B"}
          </button>
        </Show>
        <Show when={canRun() && (session.hello()?.examples.length ?? 0) > 0}>
          <Popover kind="menu" label="Examples" testid="examples" face={<>Examples ▾</>}>
            {(close) => (
              <For each={session.hello()?.examples ?? []}>
                {(example) => (
                  <button
                    type="button"
                    role="menuitem"
                    class="example"
                    on:click={() => {
                      close();
                      show(example);
                    }}
                  >
                    <span>
                      <b>{example.title}</b>
                      <Show when={example.figure}>
                        <span class="quiet"> figure {example.figure}</span>
                      </Show>
                    </span>
                    <span class="quiet">
                      {example.text}
                      <Show when={example.pair}> / {example.pair}</Show>
                    </span>
                  </button>
                )}
              </For>
            )}
          </Popover>
        </Show>
        <button
          type="button"
          class="ghost icon"
          data-testid="theme"
          aria-label={`Theme: ${theme()}`}
          title={`Theme: ${theme()}; click for ${nextTheme()}`}
          on:click={() => session.dispatch({ type: "view", view: { theme: nextTheme() } })}
        >
          {THEME_SIGN[theme()]}
        </button>
        <HelpButton />
      </div>
    </header>
  );
}

/** The text of a trace that no model is there for. */
function GivenText(props: { readonly text: string; readonly pair: string | null }) {
  return (
    <div class="given" data-testid="given-text">
      <p class="said" tabindex="0">
        <bdi>{props.text || "(its text was not kept)"}</bdi>
        <Show when={props.pair}>
          <span class="quiet"> / </span>
          <bdi>{props.pair}</bdi>
        </Show>
      </p>
      <p class="quiet">A trace without its model: no other text can be run here, and no check.</p>
    </div>
  );
}

function Logo() {
  return (
    <svg class="mark" width="22" height="22" viewBox="0 0 22 22" aria-hidden="true">
      <g class="faint">
        <path d="M4 5C11 5 11 5 18 5" />
        <path d="M4 11C11 11 11 5 18 5" />
        <path d="M4 17C11 17 11 11 18 11" />
      </g>
      <path class="strong" d="M4 17C11 17 11 5 18 5" />
      <g class="dots">
        <circle cx="4" cy="5" r="2" />
        <circle cx="4" cy="11" r="2" />
        <circle cx="4" cy="17" r="2" />
        <circle cx="18" cy="5" r="2" />
        <circle cx="18" cy="11" r="2" />
      </g>
    </svg>
  );
}
