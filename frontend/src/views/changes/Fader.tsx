import { Show } from "solid-js";

/** Steps of the arrow keys, as a share of the whole range; with Shift the small one. */
const STEP = 0.025;
const SMALL_STEP = 0.005;
/** How near to "as it is" a dragged fader stays there, as a share of the range. */
const SNAP = 0.015;

export interface FaderProps {
  readonly label: string;
  readonly value: number;
  readonly most: number;
  /** The value without the change; null if it is unknown. */
  readonly asItIs: number | null;
  /** The value in words, for screen readers. */
  readonly text: string;
  readonly changed: boolean;
  readonly muted?: boolean;
  readonly testid?: string;
  readonly onTurn: (value: number) => void;
  /** The hand has let go. */
  readonly onRest?: (value: number) => void;
}

/** A slider from 0 to `most`; its red bar runs from the value without the change to the one with it. */
export function Fader(props: FaderProps) {
  let held = false;
  const share = (value: number): number => Math.max(0, Math.min(1, value / props.most));
  const left = () => Math.min(share(props.value), share(props.asItIs ?? props.value));
  const right = () => Math.max(share(props.value), share(props.asItIs ?? props.value));

  const turn = (input: HTMLInputElement): void => {
    const value = input.valueAsNumber;
    const { asItIs } = props;
    const near = held && asItIs !== null && Math.abs(value - asItIs) < SNAP * props.most;
    props.onTurn(near ? asItIs : value);
  };
  const key = (event: KeyboardEvent & { currentTarget: HTMLInputElement }): void => {
    const way = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1 }[event.key];
    if (way === undefined || event.altKey || event.ctrlKey || event.metaKey) return;
    const step = (event.shiftKey ? SMALL_STEP : STEP) * props.most;
    // A value without a step of its own, such as a weight as it is, is first brought onto the steps.
    const to =
      (way > 0 ? Math.floor(props.value / step + 1e-6) + 1 : Math.ceil(props.value / step - 1e-6) - 1) * step;
    props.onTurn(Number(Math.max(0, Math.min(props.most, to)).toFixed(4)));
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <span
      class="fader"
      classList={{ changed: props.changed && props.muted !== true, muted: props.muted === true }}
      style={{ "--left": left(), "--right": right(), "--as-it-is": share(props.asItIs ?? 0) }}
    >
      <Show when={props.changed}>
        <i aria-hidden="true" />
      </Show>
      <Show when={props.asItIs !== null}>
        <u aria-hidden="true" />
      </Show>
      <input
        type="range"
        min="0"
        max={props.most}
        step={props.most / 200}
        aria-label={props.label}
        aria-valuetext={props.text}
        data-testid={props.testid}
        value={props.value}
        on:pointerdown={() => {
          held = true;
        }}
        on:pointerup={() => {
          held = false;
        }}
        on:pointercancel={() => {
          held = false;
        }}
        on:input={(event) => turn(event.currentTarget)}
        on:change={() => props.onRest?.(props.value)}
        on:keydown={key}
      />
    </span>
  );
}
