import { Show } from "solid-js";
import { repeatedWords, word } from "../../marks/format";
import type { Token } from "../../wire/messages";

/** A token in running text, isolated from the direction of what is around it; with its position where the word occurs twice. */
export function TokenText(props: { readonly tokens: readonly Token[]; readonly index: number }) {
  const text = () => {
    const token = props.tokens[props.index];
    return token === undefined ? String(props.index) : word(token);
  };
  const twice = () => repeatedWords(props.tokens).has(text());
  return (
    <>
      <bdi>{text()}</bdi>
      <Show when={twice()}>
        <span class="at">{`\u00a0${props.index}`}</span>
      </Show>
    </>
  );
}
