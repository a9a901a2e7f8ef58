import { createMemo, type JSX, Show } from "solid-js";
import type { ComparedLayer } from "../../compute/differenceLayer";
import type { LayerField } from "../../compute/layerField";
import { decimals, differenceText, scoreText, weightText } from "../../marks/format";
import { type EditMarks, lineMarkWords } from "../../state/editMarks";
import type { Field } from "../../state/state";
import type { EffectMessage, TraceMessage } from "../../wire/messages";
import { EffectLine } from "../effect/EffectLine";
import type { HeadReadout } from "../model/headReadout";
import { PredictionLine } from "../shared/Predictions";
import { TokenText } from "../shared/TokenText";
import { absence, type Edge, rankWords, readEdge, type Shown } from "../shared/weights";

export interface ReadoutProps {
  readonly field: LayerField | null;
  readonly version: number;
  readonly shown: Shown;
  readonly edge: Edge | null;
  /** Both passes, if two are compared. */
  readonly readings: ComparedLayer | null;
  readonly shownField: Field;
  readonly marks: EditMarks;
  /** More about what the pointer is on. */
  readonly detail: string | null;
  readonly trace: TraceMessage | null;
  /** What two compared passes predict; null if there is only one. */
  readonly effect: EffectMessage | null;
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
  /** The weight in the other pass, or in both: ` (0.05 → 0.90)`. */
  const beside = (edge: Edge, digits: number): string => {
    void props.version;
    const both = props.readings;
    if (both === null) return "";
    const at = props.shownField === "before" ? "readAt" : "read";
    const { before, after } = both[at](edge.head, edge.query, edge.key);
    const text = (weight: number | null) => (weight === null ? "not aligned" : weightText(weight, digits));
    if (props.shownField === "difference") return ` (${text(before)} → ${text(after)})`;
    return props.shownField === "before" ? `, after ${text(after)}` : `, before ${text(before)}`;
  };
  const changed = (edge: Edge): string => {
    const words = props.shownField === "before" ? null : lineMarkWords(props.marks, edge);
    return words === null ? "" : ` · ${words}`;
  };
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
                  <TokenText
                    tokens={props.shown.queries}
                    index={edge().query}
                    counterparts={props.shown.counterparts?.query}
                  />{" "}
                  →{" "}
                  <TokenText
                    tokens={props.shown.keys}
                    index={edge().key}
                    counterparts={props.shown.counterparts?.key}
                  />
                </b>
                {"  "}
                <Show
                  when={field().allowed(edge().head, edge().query, edge().key)}
                  fallback={absence(field(), edge())}
                >
                  <b>{(field().signed ? differenceText : weightText)(read().weight, digits())}</b>
                  {beside(edge(), digits())}
                  {`  ${rankWords(read())}`}
                  <Show when={read().score !== null}>
                    {` · ${scoreWords(read().score!, read().scoreError, field().signed)}`}
                  </Show>
                </Show>
                {changed(edge())}
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
        <Show
          when={props.effect}
          fallback={<PredictionLine trace={props.trace} near={props.edge?.query ?? null} />}
        >
          {(effect) => <EffectLine effect={effect()} />}
        </Show>
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
function scoreWords(score: number, error: number, isDifference: boolean): string {
  if (isDifference) return `score ${score > 0 ? "+" : ""}${scoreText(score, error)}`;
  return score === Number.NEGATIVE_INFINITY ? "cut: score −∞" : `score ${scoreText(score, error)}`;
}
