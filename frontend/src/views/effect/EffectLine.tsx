import { For } from "solid-js";
import { chance } from "../../marks/predictions";
import { plainWord } from "../../marks/tokenWord";
import type { EffectMessage, Likelihood } from "../../wire/messages";

/** Tokens that fit into a line. */
const MOST = 3;

/** The three most probable predictions before and after, on one line. */
export function EffectLine(props: { readonly effect: EffectMessage }) {
  const listed = () => {
    const size = (one: EffectMessage["tokens"][number]) =>
      Math.max(one.before.probability ?? 0, one.after.probability ?? 0);
    return [...props.effect.tokens].sort((a, b) => size(b) - size(a)).slice(0, MOST);
  };
  return (
    <span class="guesses num" data-testid="guesses">
      <span>{props.effect.of === "token" ? "next" : "label"}:</span>
      <For each={listed()}>
        {({ text, before, after }) => (
          <span class="guess">
            <bdi title={text}>{plainWord(text)}</bdi> {shown(before)} → <b>{shown(after)}</b>
          </span>
        )}
      </For>
    </span>
  );
}

function shown({ probability, value }: Likelihood): string {
  return probability === null ? (value?.toPrecision(3).replace("-", "−") ?? "–") : chance(probability);
}
