import { Show } from "solid-js";
import { word } from "../../marks/format";
import type { TokenSubject } from "../../state/changeSubject";
import { currentPass } from "../../state/state";
import type { Page } from "../page/page";
import { BoxTitle } from "./BoxTitle";
import { HideToken } from "./HideToken";

/** Hides a token from the others, as a key. */
export function TokenBox(props: { readonly page: Page; readonly subject: TokenSubject }) {
  const { page } = props;
  const { stack, layer, head, side, index } = props.subject;
  const pass = () => currentPass(page.state());
  const named = () => pass()?.stacks[stack];
  const text = (): string => {
    const token = pass()?.tokens[named()?.[side] ?? ""]?.[index];
    return token === undefined ? `token ${index}` : word(token).trim();
  };
  /** Whether queries and keys are the same tokens, so that a query can be hidden as a key. */
  const same = () => side === "key" || named()?.query === named()?.key;
  const reason = () => named()?.changes?.line ?? null;
  return (
    <>
      <BoxTitle layer={layer} head={head} dark={page.dark()} value="" changed={false}>
        {text()}
      </BoxTitle>
      <Show when={reason() === null} fallback={<p class="why">{reason()}</p>}>
        <Show
          when={same()}
          fallback={
            <p class="why">No token attends to the queries of this stack. Hide one of its keys instead.</p>
          }
        >
          <HideToken page={page} subject={{ ...props.subject, side: "key" }} />
        </Show>
      </Show>
    </>
  );
}
