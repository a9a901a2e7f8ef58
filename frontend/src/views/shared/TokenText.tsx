import { Show } from "solid-js";
import { repeatedWords, word } from "../../marks/format";
import type { Token } from "../../wire/messages";

/** Names longer than this may be cut off where there is little room. */
const LONG = 20;

/** A token in running text, with its text direction isolated, and its position if the word occurs more than once. */
export function TokenText(props: { readonly tokens: readonly Token[]; readonly index: number }) {
  const text = () => {
    const token = props.tokens[props.index];
    return token === undefined ? String(props.index) : word(token);
  };
  const repeated = () => repeatedWords(props.tokens).has(text());
  return (
    <>
      <bdi title={text().length > LONG ? text() : undefined}>{text()}</bdi>
      <Show when={repeated()}>
        <span class="at">{`\u00a0${props.index}`}</span>
      </Show>
    </>
  );
}
