import type { JSX } from "solid-js";
import { Show } from "solid-js";

/** One entry of an export menu. */
export function MenuItem(props: {
  readonly children: JSX.Element;
  /** A few words at the right; with `explained`, a line below. */
  readonly hint?: string;
  readonly explained?: boolean;
  /** Why the entry cannot be used now; null if it can. */
  readonly obstacle?: string | null;
  readonly testid?: string;
  readonly onChoose: () => void;
}) {
  return (
    <button
      type="button"
      role="menuitem"
      class={props.explained ? "explained" : undefined}
      disabled={(props.obstacle ?? null) !== null}
      title={props.obstacle ?? undefined}
      data-testid={props.testid}
      on:click={props.onChoose}
    >
      <span>{props.children}</span>
      <Show when={props.hint}>
        <span class="quiet">{props.hint}</span>
      </Show>
    </button>
  );
}
