import { createMemo, For, Index, Show } from "solid-js";
import type { LayerField } from "../../compute/field";
import { decimals, percent, scoreText, weightText, word } from "../../marks/format";
import { css, headColour } from "../../marks/palette";
import type { Place } from "../../state/state";
import type { TraceMessage } from "../../wire/messages";
import { type Focus, heaviestEdges, type Shown } from "../reading";
import { Word } from "../Word";

const MOST = 50;

export interface RowProps {
  readonly field: LayerField | null;
  readonly version: number;
  readonly shown: Shown;
  readonly dark: boolean;
  readonly place: Place | null;
  readonly pins: readonly Place[];
  readonly trace: TraceMessage | null;
  readonly onFocus: (focus: Focus | null) => void;
  readonly onUnpin: (place: Place) => void;
}

/** The token whose numbers are listed, and the pins. */
export function RowHeading(props: RowProps) {
  const tokens = (side: Place["side"]) => (side === "query" ? props.shown.queries : props.shown.keys);
  const name = (place: Place) => {
    const token = tokens(place.side)[place.index];
    return token === undefined ? String(place.index) : word(token);
  };
  return (
    <>
      <Show when={props.place}>
        {(shown) => (
          <span class="title">
            <Show when={props.place?.side === "key"}>
              <span class="quiet">who looks at </span>
            </Show>
            <b>
              <Word tokens={tokens(shown().side)} index={shown().index} />
            </b>
            <Show when={props.place?.side === "query"}>
              <span class="quiet"> looks at</span>
            </Show>
          </span>
        )}
      </Show>
      <span class="space" />
      <For each={props.pins}>
        {(pin) => (
          <button
            type="button"
            class="chip"
            title="Unpin"
            aria-label={`Unpin ${name(pin)}`}
            on:click={() => props.onUnpin(pin)}
          >
            {pin.side === "key" ? "→ " : ""}
            <Word tokens={tokens(pin.side)} index={pin.index} />
            {pin.side === "query" ? " →" : ""} <i>×</i>
          </button>
        )}
      </For>
    </>
  );
}

/** The numbers behind the picture: the heaviest weights of that token, and what the model says next. */
export function RowTable(props: RowProps) {
  const edges = createMemo(() => {
    void props.version;
    if (props.field === null || props.place === null) return [];
    return heaviestEdges(props.field, props.shown, props.place, MOST);
  });
  const digits = (head: number, query: number) =>
    props.field?.exact(head, query) ? 4 : decimals(props.field?.error ?? 0);

  return (
    <>
      <Show
        when={props.place !== null}
        fallback={<p class="hint">Point at a token to see where its attention goes.</p>}
      >
        <div class="rows" role="region" tabindex="0" aria-label="Heaviest weights">
          <table class="num">
            <thead>
              <tr>
                <th>head</th>
                <th class="left">{props.place?.side === "key" ? "from" : "to"}</th>
                <th class="bar-cell" />
                <th>weight</th>
                <th>score</th>
              </tr>
            </thead>
            <tbody>
              <Index
                each={edges()}
                fallback={
                  <tr>
                    <td colspan="5" class="quiet">
                      nothing on show here
                    </td>
                  </tr>
                }
              >
                {(edge) => {
                  const other = () =>
                    props.place?.side === "key"
                      ? { tokens: props.shown.queries, index: edge().query }
                      : { tokens: props.shown.keys, index: edge().key };
                  const score = () => props.field?.score(edge().head, edge().query, edge().key) ?? null;
                  return (
                    <tr
                      on:pointerenter={() => props.onFocus({ kind: "edge", edge: edge() })}
                      on:pointerleave={() => props.onFocus(null)}
                    >
                      <td>
                        <i class="dot" style={{ background: css(headColour(edge().head, props.dark)) }} />
                        {props.field?.layer}.{edge().head}
                      </td>
                      <td class="left word">
                        <Word {...other()} />
                      </td>
                      <td class="bar-cell">
                        <i
                          class="weight-bar"
                          style={{
                            width: `${Math.max(1, edge().weight * 100)}%`,
                            background: css(headColour(edge().head, props.dark)),
                          }}
                        />
                      </td>
                      <td>{weightText(edge().weight, digits(edge().head, edge().query))}</td>
                      <td class="quiet">{score() === null ? "–" : scoreText(score()!)}</td>
                    </tr>
                  );
                }}
              </Index>
            </tbody>
          </table>
        </div>
      </Show>
      <Show when={props.trace?.next}>
        {(next) => (
          <div class="next">
            <h3>Next token</h3>
            <table class="num">
              <tbody>
                <For each={next()}>
                  {(guess) => (
                    <tr>
                      <td class="left word">
                        <bdi>
                          {word({ ...guess, special: false, sentence: null, continues: false, raw: false })}
                        </bdi>
                      </td>
                      <td class="bar-cell">
                        <i
                          class="weight-bar accent"
                          style={{ width: `${Math.max(1, guess.probability * 100)}%` }}
                        />
                      </td>
                      <td>{percent(guess.probability)}</td>
                    </tr>
                  )}
                </For>
              </tbody>
            </table>
          </div>
        )}
      </Show>
    </>
  );
}
