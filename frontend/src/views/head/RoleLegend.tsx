import { createMemo, For, Show } from "solid-js";
import type { Token } from "../../wire/messages";

/** The legend of the colored bands beside the tokens of a chat. */
export function RoleLegend(props: { readonly tokens: readonly Token[] }) {
  const roles = createMemo(() => [...new Set(props.tokens.flatMap(({ role }) => role ?? []))]);
  return (
    <Show when={roles().length > 0}>
      <span class="roles" data-testid="roles">
        <For each={roles()}>
          {(role) => (
            <span>
              <i class="role-mark" data-role={role} aria-hidden="true" />
              {role}
            </span>
          )}
        </For>
      </span>
    </Show>
  );
}
