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
  /** The token under the pointer or the keyboard. */
  readonly near: number | null;
}

/** Tables shown at once; a model that labels every token has more. */
const MAX_TABLES = 4;

function listsOf(props: PredictionProps): () => readonly PredictionList[] {
  return createMemo(() => (props.trace === null ? [] : predictionLists(props.trace, props.near)));
}

/** The model’s three most likely predictions, on one line. */
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
                  <SpaceMark guess={guess} />
                  {guess.text}
                </bdi>
                <Position guess={guess} /> {guess.share === null ? guess.number : chance(guess.share)}
              </span>
            )}
          </For>
        </span>
      )}
    </Show>
  );
}

/** The mark of a leading space, where two predictions differ only by that. */
function SpaceMark(props: { readonly guess: Choice }) {
  return (
    <Show when={props.guess.mark !== ""}>
      <span class="space-mark">{props.guess.mark}</span>
    </Show>
  );
}

/** The position of a word that occurs more than once in the input. */
function Position(props: { readonly guess: Choice }) {
  return (
    <Show when={props.guess.at !== null}>
      <span class="at">{`\u00a0${props.guess.at}`}</span>
    </Show>
  );
}

/** The model’s predictions, as tables. */
export function PredictionTables(props: PredictionProps) {
  const all = listsOf(props);
  const listed = createMemo(() => listsToShow(all(), props.near, MAX_TABLES));
  return (
    <Show when={all().length > 0}>
      <div class="predictions" role="region" aria-label="Model predictions" tabindex="0">
        <For each={listed().lists}>{(guesses) => <PredictionTable guesses={guesses} />}</For>
        <Show when={listed().more > 0}>
          <p class="limits">
            {listed().lists.length === 0 ? `${listed().more} tokens have labels` : `${listed().more} more`}.
            Point at a token to see its own.
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
                    <bdi>
                      <SpaceMark guess={guess} />
                      {guess.text}
                    </bdi>
                    <Position guess={guess} />
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
