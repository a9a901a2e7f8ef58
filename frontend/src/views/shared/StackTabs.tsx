import { Show } from "solid-js";
import type { Session } from "../../state/session";
import { SegmentedControl } from "./SegmentedControl";

/** Tabs for models with several stacks. Every view has them, and all views show the same stack. */
export function StackTabs(props: { readonly session: Session }) {
  const state = props.session.state;
  const names = () => Object.keys(state().trace?.stacks ?? {});
  return (
    <Show when={names().length > 1}>
      <div class="stacks">
        <SegmentedControl
          label="Stack"
          options={names().map((name) => [name, name] as const)}
          value={state().selection.stack}
          onChange={(stack) => props.session.dispatch({ type: "stack", stack })}
        />
      </div>
    </Show>
  );
}
