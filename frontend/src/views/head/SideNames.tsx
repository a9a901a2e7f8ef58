import { Show } from "solid-js";
import type { Stack } from "../../wire/messages";

/** What the two sides are where they are not the same tokens: of which text each of them is. */
export function SideNames(props: {
  readonly stack: Stack | undefined;
  readonly queries: number;
  readonly keys: number;
}) {
  return (
    <Show when={props.stack && props.stack.query !== props.stack.key && props.stack}>
      {(stack) => (
        <p class="side-names num" data-testid="side-names">
          <span>
            {stack().query} <span class="quiet">{props.queries} queries</span>
          </span>
          <span aria-hidden="true">→</span>
          <span>
            {stack().key} <span class="quiet">{props.keys} keys</span>
          </span>
        </p>
      )}
    </Show>
  );
}
