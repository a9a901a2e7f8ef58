import { createEffect, createMemo, createSignal, on, onMount } from "solid-js";
import type { Place } from "../../state/state";
import type { Token } from "../../wire/messages";
import { findText, type Match } from "./findText";

export interface SearchBoxProps {
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly onMatches: (matches: readonly Match[]) => void;
  /** Scrolls to a match. */
  readonly onGo: (place: Place) => void;
  readonly onClose: () => void;
}

/** A search box that works like find in a browser: Enter, Shift+Enter, Escape. */
export function SearchBox(props: SearchBoxProps) {
  let field!: HTMLInputElement;
  const [text, setText] = createSignal("");
  const [at, setAt] = createSignal(0);
  const matches = createMemo(() => findText(props.queries, props.keys, text()));
  onMount(() => field.focus());
  createEffect(
    on(matches, (found) => {
      props.onMatches(found);
      setAt(0);
      if (found.length > 0) props.onGo({ side: found[0].side, index: found[0].from });
    }),
  );
  const step = (by: number): void => {
    const found = matches();
    if (found.length === 0) return;
    const next = (at() + by + found.length) % found.length;
    setAt(next);
    props.onGo({ side: found[next].side, index: found[next].from });
  };
  const count = () => {
    if (text() === "") return "";
    return matches().length === 0 ? "not found" : `${at() + 1} of ${matches().length}`;
  };
  const key = (event: KeyboardEvent): void => {
    event.stopPropagation();
    if (event.key === "Enter") step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape") props.onClose();
    else return;
    event.preventDefault();
  };
  return (
    <search class="find" on:keydown={key}>
      <input
        ref={field}
        type="text"
        spellcheck={false}
        placeholder="Find tokens"
        aria-label="Find tokens"
        data-testid="find-text"
        value={text()}
        on:input={(event) => setText(event.currentTarget.value)}
      />
      <output class="num quiet" data-testid="find-count" aria-live="polite">
        {count()}
      </output>
      <button
        type="button"
        aria-label="Previous match"
        title="Previous match (⇧ Enter)"
        on:click={() => step(-1)}
      >
        ↑
      </button>
      <button type="button" aria-label="Next match" title="Next match (Enter)" on:click={() => step(1)}>
        ↓
      </button>
      <button type="button" aria-label="Close search" title="Close (Esc)" on:click={() => props.onClose()}>
        ×
      </button>
    </search>
  );
}
