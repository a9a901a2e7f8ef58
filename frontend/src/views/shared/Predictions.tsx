import { createMemo, For, Show } from "solid-js";
import {
  type Choice,
  chance,
  listsToShow,
  type PredictionList,
  predictionLists,
} from "../../marks/predictions";
import type { TraceMessage } from "../../wire/messages";

interface PredictionProps {
  readonly trace: TraceMessage | null;
  /** The token that is looked at. */
  readonly near: number | null;
}

/** Lists that stand below each other; a model that labels each token has more. */
const LISTED = 4;

function listsOf(props: PredictionProps): () => readonly PredictionList[] {
  return createMemo(() => (props.trace === null ? [] : predictionLists(props.trace, props.near)));
}

/** What the model predicts, in a line: the three likeliest. */
export function PredictionLine(props: PredictionProps) {
  const lists = listsOf(props);
  return (
    <Show when={lists()[0]}>
      {(first) => (
        <span class="guesses num" data-testid="guesses">
          <span>
            <bdi>{first().short}</bdi>:
          </span>
          <For each={first().list.slice(0, 3)}>
            {(guess, at) => (
              <span class="guess">
                <bdi classList={{ best: at() === 0 }} title={guess.text}>
                  {guess.text}
                </bdi>
                <Twice guess={guess} /> {guess.share === null ? guess.number : chance(guess.share)}
              </span>
            )}
          </For>
        </span>
      )}
    </Show>
  );
}

/** Where in the input a word stands that occurs there twice. */
function Twice(props: { readonly guess: Choice }) {
  return (
    <Show when={props.guess.at !== null}>
      <span class="at">{`\u00a0${props.guess.at}`}</span>
    </Show>
  );
}

/** What the model predicts, as tables. */
export function PredictionTables(props: PredictionProps) {
  const all = listsOf(props);
  const listed = createMemo(() => listsToShow(all(), props.near, LISTED));
  return (
    <Show when={all().length > 0}>
      <div class="predictions" role="region" aria-label="What the model predicts" tabindex="0">
        <For each={listed().lists}>{(guesses) => <PredictionTable guesses={guesses} />}</For>
        <Show when={listed().more > 0}>
          <p class="limits">
            {listed().lists.length === 0 ? `${listed().more} tokens have labels` : `${listed().more} more`}:
            point at a token for its own.
          </p>
        </Show>
      </div>
    </Show>
  );
}

function PredictionTable(props: { readonly guesses: PredictionList }) {
  return (
    <div class="next" data-testid="predicted">
      <h3>
        <bdi>{props.guesses.title}</bdi>
      </h3>
      <table class="num">
        <tbody>
          <For each={props.guesses.list}>
            {(guess) => (
              <tr>
                <td class="left">
                  <span class="predicted-word" title={guess.text}>
                    <bdi>{guess.text}</bdi>
                    <Twice guess={guess} />
                  </span>
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
  );
}
