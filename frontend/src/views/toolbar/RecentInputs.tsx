import { For, Show } from "solid-js";
import type { RecentInput } from "../../state/recentInputs";
import { inputName } from "../../state/stepNames";
import type { Page } from "../page/page";
import { Popover } from "../shared/Popover";

/** A menu of the inputs shown so far on this page, newest first. */
export function RecentInputs(props: { readonly page: Page }) {
  return (
    <Popover
      kind="menu"
      label="Recent inputs"
      class="ghost icon"
      testid="recent"
      align="end"
      face={<ClockIcon />}
    >
      {(close) => <RecentList page={props.page} close={close} />}
    </Popover>
  );
}

/** One item per input: its text, second sentence or target, and the model. Choosing one shows it as it was left. */
export function RecentList(props: { readonly page: Page; readonly close: () => void }) {
  const { session } = props.page;
  const isShown = ({ trace }: RecentInput) => trace.trace === props.page.trace()?.trace;
  const text = ({ trace }: RecentInput) => {
    const { input, images } = trace;
    return (
      (input.messages?.at(-1)?.content ?? input.text) ||
      ((images ?? []).length > 0 ? "An image" : "(text not saved)")
    );
  };
  const facts = ({ trace }: RecentInput) =>
    [
      trace.model.title ?? "Saved result",
      ...(trace.input.messages === undefined ? [] : ["chat"]),
      ...((trace.edits ?? []).length > 0 ? ["edited"] : []),
    ].join(" · ");
  return (
    <For each={session.recentInputs()}>
      {(one) => (
        <button
          type="button"
          role="menuitemradio"
          class="example"
          aria-checked={isShown(one)}
          aria-label={`${inputName(one.trace.input)}, ${facts(one)}`}
          on:click={() => {
            props.close();
            if (!isShown(one)) void session.reopen(one.trace.trace);
          }}
        >
          <span class="recent-text">
            <bdi>{text(one)}</bdi>
            <Show when={one.trace.input.pair}>
              <span class="quiet"> / </span>
              <bdi>{one.trace.input.pair}</bdi>
            </Show>
            <Show when={one.trace.input.target}>
              <span class="quiet"> → </span>
              <bdi>{one.trace.input.target}</bdi>
            </Show>
          </span>
          <span class="quiet">{facts(one)}</span>
        </button>
      )}
    </For>
  );
}

function ClockIcon() {
  return (
    <svg width="14" height="14" viewBox="0 0 14 14" aria-hidden="true">
      <circle cx="7" cy="7" r="5.5" />
      <path d="M7 3.8V7L9.2 8.6" />
    </svg>
  );
}
