import { For, Show } from "solid-js";
import { type Axis, placeOn, tickText } from "../../marks/axis";
import type { ControlRun } from "../../state/controls";

interface StripsProps {
  readonly runs: readonly ControlRun[];
  readonly axis: Axis;
  readonly text: (value: number | null) => string;
  readonly before: number | null;
  readonly after: number | null;
  readonly named: boolean;
}

/** Height of a row, and distance of dots that would cover each other. */
const ROW = 24;
const ASIDE = 5;
/** Dots closer than this are put aside, percent of the axis. */
const TOUCHING = 1.6;

/** One row of dots for each control, with a line before and a line after. */
export function Strips(props: StripsProps) {
  const at = (value: number) => `${placeOn(props.axis, value).toFixed(2)}%`;
  const height = () => props.runs.length * ROW;
  return (
    <div class="strips">
      <div class="strip-names" aria-hidden="true">
        <For each={props.runs}>{({ kind }) => <span title={kind.words}>{kind.words}</span>}</For>
      </div>
      <div class="strip-plot" aria-hidden="true">
        <EndLabels {...props} />
        <svg aria-hidden="true" style={{ height: `${height()}px` }}>
          <For each={props.axis.ticks}>
            {(tick) => <line class="rail" x1={at(tick)} x2={at(tick)} y1="0" y2="100%" />}
          </For>
          <For each={props.runs}>
            {({ message, state }, row) => (
              <>
                <line class="rail" x1="0" x2="100%" y1={(row() + 0.5) * ROW} y2={(row() + 0.5) * ROW} />
                <For each={dotsOf(message?.values ?? [], props.axis)}>
                  {({ value, aside, index }) => (
                    <circle class="draw" cx={at(value)} cy={(row() + 0.5) * ROW + aside} r="3.5">
                      <title>{`${message?.where[index] ?? ""}: ${props.text(value)}`}</title>
                    </circle>
                  )}
                </For>
                <Show when={(message?.values.length ?? 0) === 0}>
                  <text class="to-come" x="50%" y={(row() + 0.5) * ROW + 4} text-anchor="middle">
                    {state === "failed" ? "failed" : state === "stopped" ? "not run" : "to come"}
                  </text>
                </Show>
              </>
            )}
          </For>
          <Show when={props.before !== null}>
            <line
              class="before-line"
              x1={at(props.before ?? 0)}
              x2={at(props.before ?? 0)}
              y1="0"
              y2="100%"
            />
          </Show>
          <Show when={props.after !== null}>
            <line class="after-line" x1={at(props.after ?? 0)} x2={at(props.after ?? 0)} y1="0" y2="100%" />
          </Show>
        </svg>
        <svg class="axis-numbers" aria-hidden="true">
          <For each={props.axis.ticks}>
            {(tick) => (
              <text x={at(tick)} y="13" text-anchor="middle">
                {tickText(tick)}
              </text>
            )}
          </For>
        </svg>
      </div>
      <DrawTable {...props} />
    </div>
  );
}

/** What the two lines are, above them; on both sides if they are close. */
function EndLabels(props: StripsProps) {
  const place = (value: number | null) => (value === null ? 0 : placeOn(props.axis, value));
  const close = () => Math.abs(place(props.before) - place(props.after)) < 30;
  const anchor = (own: number, other: number) => {
    if (close()) return own <= other ? "end" : "start";
    return own < 12 ? "start" : own > 88 ? "end" : "middle";
  };
  return (
    <svg class="strip-ends" aria-hidden="true">
      <Show when={props.before !== null}>
        <text
          class="ink"
          x={`${place(props.before)}%`}
          y="12"
          text-anchor={anchor(place(props.before), place(props.after) + 0.01)}
        >
          {`before ${props.text(props.before)}`}
        </text>
      </Show>
      <Show when={props.after !== null}>
        <text
          class="after-text"
          x={`${place(props.after)}%`}
          y="12"
          text-anchor={anchor(place(props.after), place(props.before))}
        >
          {props.named ? `after ${props.text(props.after)}` : "after"}
        </text>
      </Show>
    </svg>
  );
}

/** The draws as a table for screen readers. */
function DrawTable(props: StripsProps) {
  return (
    <table class="heard">
      <caption>The metric with the same changes made elsewhere</caption>
      <thead>
        <tr>
          <th scope="col">control</th>
          <th scope="col">where</th>
          <th scope="col">value</th>
        </tr>
      </thead>
      <tbody>
        <For each={props.runs}>
          {({ kind, message }) => (
            <For each={message?.values ?? []}>
              {(value, index) => (
                <tr data-testid="draw">
                  <td>{kind.words}</td>
                  <td>{message?.where[index()]}</td>
                  <td>{props.text(value)}</td>
                </tr>
              )}
            </For>
          )}
        </For>
      </tbody>
    </table>
  );
}

/** Where the dots of a row stand: those that touch alternate above and below. */
function dotsOf(values: readonly (number | null)[], axis: Axis) {
  const known = values.flatMap((value, index) => (value === null ? [] : [{ value, index }]));
  const placed: number[] = [];
  return known
    .sort((a, b) => a.value - b.value)
    .map(({ value, index }) => {
      const place = placeOn(axis, value);
      const touching = placed.filter((other) => place - other < TOUCHING).length;
      placed.push(place);
      return { value, index, aside: [0, -ASIDE, ASIDE][touching % 3] };
    });
}
