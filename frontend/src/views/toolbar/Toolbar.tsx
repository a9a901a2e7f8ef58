import { Show } from "solid-js";
import type { Page } from "../page/page";
import { createPrompt } from "./createPrompt";
import { EditsChip } from "./EditsChip";
import { ModelMenu } from "./ModelMenu";
import { Prompt } from "./Prompt";
import { SavedInput } from "./SavedInput";
import { Tools } from "./Tools";

/** The model with its facts, the prompt, and the tools for the whole page. */
export function Toolbar(props: {
  readonly page: Page;
  readonly promptRef: (box: HTMLTextAreaElement) => void;
}) {
  const prompt = createPrompt(props.page);
  return (
    <header class="top">
      <h1 class="logo">
        <Logo />
        <b class="logo-word">attnscope</b>
      </h1>
      <ModelMenu page={props.page} prompt={prompt} />
      <EditsChip page={props.page} />
      <Show
        when={prompt.canRun()}
        fallback={
          <SavedInput
            input={props.page.trace()?.input ?? null}
            image={(props.page.trace()?.images?.length ?? 0) > 0}
            file={props.page.session.hello()?.file ?? null}
          />
        }
      >
        <Prompt prompt={prompt} boxRef={props.promptRef} />
      </Show>
      <Tools page={props.page} prompt={prompt} />
    </header>
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
