import { Show } from "solid-js";
import type { Stack } from "../../wire/messages";

const counted = (count: number, one: string, many: string): string =>
  `${count.toLocaleString("en")} ${count === 1 ? one : many}`;

/** The names of the two sides if they have different tokens, as in cross-attention. */
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
            {stack().query} <span class="quiet">{counted(props.queries, "query", "queries")}</span>
          </span>
          <span aria-hidden="true">→</span>
          <span>
            {stack().key} <span class="quiet">{counted(props.keys, "key", "keys")}</span>
          </span>
        </p>
      )}
    </Show>
  );
}
