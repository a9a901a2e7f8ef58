import { Show } from "solid-js";
import { repeatedWords, word } from "../../marks/format";
import type { Token } from "../../wire/messages";
import { substituteOf } from "./counterparts";

/** Names longer than this may be cut off where there is little room. */
const LONG = 20;

export interface TokenTextProps {
  readonly tokens: readonly Token[];
  readonly index: number;
  /** The tokens of the baseline that these correspond to. */
  readonly counterparts?: readonly (Token | null)[];
}

/**
 * A token in running text, with its text direction isolated, and its position if the word occurs more than once. One in the
 * place of another reads `He / She`.
 */
export function TokenText(props: TokenTextProps) {
  const text = () => {
    const token = props.tokens[props.index];
    return token === undefined ? String(props.index) : word(token);
  };
  const substitute = () => substituteOf(props.counterparts, props.tokens[props.index], props.index);
  const repeated = () => repeatedWords(props.tokens).has(text());
  return (
    <>
      <Show when={substitute()}>{(other) => <bdi class="substitute">{word(other())}</bdi>}</Show>
      {substitute() === null ? "" : " / "}
      <bdi
        classList={{ substitute: substitute() !== null }}
        title={text().length > LONG ? text() : undefined}
      >
        {text()}
      </bdi>
      <Show when={repeated()}>
        <span class="at">{`\u00a0${props.index}`}</span>
      </Show>
    </>
  );
}
