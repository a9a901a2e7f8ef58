/** The controls of the toolbar: each under its own button, or all of them in one menu. */

import { For, Show } from "solid-js";
import { SCALE_TITLES } from "../../marks/scale";
import { type Palette, SCALES, type Scale, type Theme } from "../../state/state";
import type { Page } from "../page/page";
import { SegmentedControl } from "../shared/SegmentedControl";
import type { PromptState } from "./createPrompt";

export const THEMES: readonly Theme[] = ["auto", "light", "dark"];
const SCALE_OPTIONS: readonly (readonly [Scale, string])[] = SCALES.map((scale) => [
  scale,
  scale === "log" ? "log" : SCALE_TITLES[scale],
]);
const PALETTE_OPTIONS: readonly (readonly [Palette, string])[] = [
  ["blue", "blue"],
  ["cividis", "cividis"],
  ["gray", "gray"],
];

/** Scale and palette of the weights, and the theme. */
export function LookControls({ page }: { readonly page: Page }) {
  const view = () => page.state().view;
  return (
    <div class="controls">
      <span class="control">
        <span>Scale</span>
        <SegmentedControl
          label="Scale"
          options={SCALE_OPTIONS}
          value={view().scale}
          onChange={(scale) => page.session.dispatch({ type: "view", view: { scale } })}
        />
      </span>
      <span class="control">
        <span>Palette</span>
        <SegmentedControl
          label="Palette"
          options={PALETTE_OPTIONS}
          value={view().palette}
          onChange={(palette) => page.session.dispatch({ type: "view", view: { palette } })}
        />
      </span>
      <span class="control">
        <span>Theme</span>
        <SegmentedControl
          label="Theme"
          options={THEMES.map((theme) => [theme, theme] as const)}
          value={view().theme}
          onChange={(theme) => page.session.dispatch({ type: "view", view: { theme } })}
        />
      </span>
    </div>
  );
}

export function ExampleList(props: {
  readonly page: Page;
  readonly prompt: PromptState;
  readonly close: () => void;
}) {
  return (
    <For each={props.page.session.hello()?.examples ?? []}>
      {(example) => (
        <button
          type="button"
          role="menuitem"
          class="example"
          on:click={() => {
            props.close();
            props.prompt.show(example);
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
  );
}

/** Undo and redo. They use `aria-disabled`: a disabled button with keyboard focus would swallow the page’s shortcuts. */
export function HistoryButtons({ page }: { readonly page: Page }) {
  const { session } = page;
  const label = (verb: string, name: string | null) =>
    name === null ? `Nothing to ${verb}` : `${verb}: ${name}`;
  const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
  return (
    <span class="history">
      <button
        type="button"
        class="ghost icon"
        data-testid="undo"
        aria-disabled={session.undoes() === null}
        aria-label={capital(label("undo", session.undoes()))}
        title={`${capital(label("undo", session.undoes()))} (Ctrl Z)`}
        on:click={session.undo}
      >
        <Arrow />
      </button>
      <button
        type="button"
        class="ghost icon"
        data-testid="redo"
        aria-disabled={session.redoes() === null}
        aria-label={capital(label("redo", session.redoes()))}
        title={`${capital(label("redo", session.redoes()))} (Ctrl ⇧ Z)`}
        on:click={session.redo}
      >
        <Arrow mirrored />
      </button>
    </span>
  );
}

function Arrow(props: { readonly mirrored?: boolean }) {
  return (
    <svg
      width="14"
      height="14"
      viewBox="0 0 14 14"
      aria-hidden="true"
      classList={{ mirrored: props.mirrored }}
    >
      <path d="M4.8 2 2 4.8 4.8 7.6M2.2 4.8H8.4A3.4 3.4 0 0 1 8.4 11.8H5" />
    </svg>
  );
}
