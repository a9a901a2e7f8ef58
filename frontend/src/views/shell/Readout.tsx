import { createMemo, type JSX, Show } from "solid-js";
import type { LayerField } from "../../compute/layerField";
import { decimals, scoreText, weightText } from "../../marks/format";
import type { TraceMessage } from "../../wire/messages";
import type { HeadReadout } from "../model/headReadout";
import { PredictionLine } from "../shared/Predictions";
import { TokenText } from "../shared/TokenText";
import { absence, type Edge, rankWords, readEdge, type Shown } from "../shared/weights";

export interface ReadoutProps {
  readonly field: LayerField | null;
  readonly version: number;
  readonly shown: Shown;
  readonly edge: Edge | null;
  /** More about what the pointer is on. */
  readonly detail: string | null;
  readonly trace: TraceMessage | null;
  /** The head under the pointer in the model view; it takes precedence over an edge. */
  readonly head: HeadReadout | null;
  /** What was just done, and the work in progress. */
  readonly news: JSX.Element;
}

/** The exact values of whatever the pointer or the keyboard is on, the news, and the next tokens that the model predicts. */
export function Readout(props: ReadoutProps) {
  const reading = createMemo(() => {
    void props.version;
    return props.field === null || props.edge === null ? null : readEdge(props.field, props.edge);
  });
  return (
    <footer class="foot">
      <output class="readout num" data-testid="readout" aria-live="polite">
        <Show when={props.head}>{(head) => <HeadLine {...head()} />}</Show>
        <Show
          when={props.head === null && props.edge && reading() && props.field}
          fallback={
            <Show when={props.head === null}>
              <span class="quiet">Point at a head, a token, or a line to see its values.</span>
            </Show>
          }
        >
          {(field) => {
            const edge = () => props.edge as Edge;
            const read = () => reading()!;
            const digits = () => (read().exact ? 4 : decimals(field().error));
            return (
              <>
                <b>
                  <TokenText tokens={props.shown.queries} index={edge().query} /> →{" "}
                  <TokenText tokens={props.shown.keys} index={edge().key} />
                </b>
                {"  "}
                <Show
                  when={field().allowed(edge().head, edge().query, edge().key)}
                  fallback={absence(field(), edge().key)}
                >
                  <b>{weightText(read().weight, digits())}</b>
                  {`  ${rankWords(read())}`}
                  <Show
                    when={read().score !== null}
                  >{` · ${scoreWords(read().score!, read().scoreError)}`}</Show>
                </Show>
                {" · head "}
                <b>{`${field().layer}.${edge().head}`}</b>
                {props.detail === null ? "" : ` · ${props.detail}`}
              </>
            );
          }}
        </Show>
      </output>
      <span class="space" />
      {props.news}
      <Show when={props.detail === null}>
        <PredictionLine trace={props.trace} near={props.edge?.query ?? null} />
      </Show>
      <span class="keys">
        <kbd>←↑↓→</kbd> move <kbd>↵</kbd> zoom in <kbd>esc</kbd> zoom out <kbd>?</kbd> help
      </span>
    </footer>
  );
}

function HeadLine(props: HeadReadout) {
  return (
    <>
      {"head "}
      <b>{`${props.layer}.${props.head}`}</b>
      <Show when={props.largest} fallback={` · ${props.note}`}>
        {(largest) => (
          <>
            {" · "}
            <b>
              <bdi>{largest().from}</bdi> → <bdi>{largest().to}</bdi>
              {`  ${largest().weight}`}
            </b>
            {props.note && `  ${props.note}`}
          </>
        )}
      </Show>
    </>
  );
}

/** The score of an unmasked edge; it is −∞ only if an edit cut the edge. */
function scoreWords(score: number, error: number): string {
  return score === Number.NEGATIVE_INFINITY ? "cut: score −∞" : `score ${scoreText(score, error)}`;
}
