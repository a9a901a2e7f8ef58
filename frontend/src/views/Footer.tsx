import { createMemo, For, Show } from "solid-js";
import type { LayerField } from "../compute/field";
import { decimals, scoreText, weightText, word } from "../marks/format";
import type { TraceMessage } from "../wire/messages";
import { type Edge, readEdge, type Shown } from "./reading";
import { Word } from "./Word";

export interface FooterProps {
  readonly field: LayerField | null;
  readonly version: number;
  readonly shown: Shown;
  readonly edge: Edge | null;
  readonly trace: TraceMessage | null;
}

/** The readout: always the exact thing under the pointer or the keyboard; beside it what the model says next. */
export function Footer(props: FooterProps) {
  const reading = createMemo(() => {
    void props.version;
    return props.field === null || props.edge === null ? null : readEdge(props.field, props.edge);
  });
  return (
    <footer class="foot">
      <output class="readout num" data-testid="readout" aria-live="polite">
        <Show
          when={props.edge && reading() && props.field}
          fallback={<span class="quiet">Point at a token or a line to read it.</span>}
        >
          {(field) => {
            const edge = () => props.edge as Edge;
            const read = () => reading()!;
            const digits = () => (read().exact ? 4 : decimals(field().error));
            return (
              <>
                <b>
                  <Word tokens={props.shown.queries} index={edge().query} /> →{" "}
                  <Word tokens={props.shown.keys} index={edge().key} />
                </b>
                {"  "}
                <Show when={field().allowed(edge().head, edge().query, edge().key)} fallback="not allowed">
                  <b>{weightText(read().weight, digits())}</b>
                  {`  rank ${read().rank} of ${read().among}`}
                  <Show when={read().score !== null}>{` · score ${scoreText(read().score!)}`}</Show>
                </Show>
                {" · head "}
                <b>{`${field().layer}.${edge().head}`}</b>
              </>
            );
          }}
        </Show>
      </output>
      <span class="space" />
      <Show when={props.trace?.next}>
        {(next) => (
          <span class="guesses num">
            next:{" "}
            <For each={next().slice(0, 3)}>
              {(guess, at) => (
                <span>
                  <bdi classList={{ best: at() === 0 }}>
                    {word({ ...guess, special: false, sentence: null, continues: false, raw: false })}
                  </bdi>{" "}
                  {guess.probability.toFixed(2)}{" "}
                </span>
              )}
            </For>
          </span>
        )}
      </Show>
      <span class="keys">
        <kbd>↑↓</kbd> token <kbd>[ ]</kbd> layer <kbd>↵</kbd> pin <kbd>esc</kbd> out <kbd>?</kbd> help
      </span>
    </footer>
  );
}
