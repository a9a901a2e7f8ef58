import { For, Show } from "solid-js";
import { type Axis, placeOn } from "../../marks/axis";
import { signColor } from "../../marks/neuron";
import { css } from "../../marks/palette";

/** Dots closer than this are not connected, percent of the axis. */
const TOUCHING = 2;

export interface DotPairProps {
  readonly axis: Axis;
  readonly before: number | null;
  readonly after: number | null;
  /** Where other passes are, as ticks. */
  readonly elsewhere: readonly number[];
  readonly dark: boolean;
}

/** A hollow dot before, a filled one after, and a line between them in the color of the sign. */
export function DotPair(props: DotPairProps) {
  const at = (value: number) => `${placeOn(props.axis, value).toFixed(2)}%`;
  const moved = () => {
    const { before, after, axis } = props;
    if (before === null || after === null) return null;
    return Math.abs(placeOn(axis, before) - placeOn(axis, after)) < TOUCHING ? null : { before, after };
  };
  return (
    <svg class="dot-pair" aria-hidden="true">
      <line class="rail" x1="0" x2="100%" y1="11" y2="11" />
      <For each={props.axis.ticks}>
        {(tick) => <line class="rail" x1={at(tick)} x2={at(tick)} y1="8" y2="14" />}
      </For>
      <For each={props.elsewhere}>
        {(value) => <line class="elsewhere" x1={at(value)} x2={at(value)} y1="3" y2="19" />}
      </For>
      <Show when={moved()}>
        {(ends) => (
          <line
            x1={at(ends().before)}
            x2={at(ends().after)}
            y1="11"
            y2="11"
            stroke-width="3"
            stroke={css(signColor(ends().after > ends().before ? 0.8 : -0.8, props.dark))}
          />
        )}
      </Show>
      <Show when={props.before !== null}>
        <circle class="hollow" cx={at(props.before ?? 0)} cy="11" r="4" />
      </Show>
      <Show when={props.after !== null}>
        <circle class="filled" cx={at(props.after ?? 0)} cy="11" r="4.5" />
      </Show>
    </svg>
  );
}

/** The numbers of an axis. */
export function AxisNumbers(props: { readonly axis: Axis; readonly text: (tick: number) => string }) {
  const anchor = (tick: number) =>
    tick === props.axis.from ? "start" : tick === props.axis.to ? "end" : "middle";
  return (
    <svg class="axis-numbers" aria-hidden="true">
      <For each={props.axis.ticks}>
        {(tick) => (
          <text x={`${placeOn(props.axis, tick)}%`} y="13" text-anchor={anchor(tick)}>
            {props.text(tick)}
          </text>
        )}
      </For>
    </svg>
  );
}
