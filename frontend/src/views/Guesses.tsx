import { createMemo, For, Show } from "solid-js";
import { type Guesses, guessesOf } from "../marks/predictions";
import type { TraceMessage } from "../wire/messages";

interface GuessProps {
  readonly trace: TraceMessage | null;
  /** The token that is looked at. */
  readonly near: number | null;
}

/** Lists that stand below each other; a model that labels each token has more. */
const LISTED = 4;

function listsOf(props: GuessProps): () => readonly Guesses[] {
  return createMemo(() => (props.trace === null ? [] : guessesOf(props.trace, props.near)));
}

/** What the model predicts, in a line: the three likeliest. */
export function GuessLine(props: GuessProps) {
  const lists = listsOf(props);
  return (
    <Show when={lists()[0]}>
      {(first) => (
        <span class="guesses num" data-testid="guesses">
          <bdi>{first().short}</bdi>:{" "}
          <For each={first().list.slice(0, 3)}>
            {(guess, at) => (
              <span>
                <bdi classList={{ best: at() === 0 }}>{guess.text}</bdi>{" "}
                {guess.share === null ? guess.number : guess.share.toFixed(2)}{" "}
              </span>
            )}
          </For>
        </span>
      )}
    </Show>
  );
}

/** What the model predicts, as tables. */
export function GuessTables(props: GuessProps) {
  const lists = listsOf(props);
  return (
    <For each={lists().slice(0, LISTED)}>
      {(guesses) => (
        <div class="next" data-testid="predicted">
          <h3>
            <bdi>{guesses.title}</bdi>
          </h3>
          <table class="num">
            <tbody>
              <For each={guesses.list}>
                {(guess) => (
                  <tr>
                    <td class="left word">
                      <bdi>{guess.text}</bdi>
                    </td>
                    <td class="bar-cell">
                      <Show when={guess.share !== null}>
                        <i
                          class="weight-bar accent"
                          style={{ width: `${Math.max(1, (guess.share ?? 0) * 100)}%` }}
                        />
                      </Show>
                    </td>
                    <td>{guess.number}</td>
                  </tr>
                )}
              </For>
            </tbody>
          </table>
        </div>
      )}
    </For>
  );
}
