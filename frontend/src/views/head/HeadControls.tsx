import { createEffect, createSignal, For, on, onCleanup } from "solid-js";
import type { Session } from "../../state/session";
import type { Sinks } from "../../state/state";
import { nearestStep, THRESHOLD_STEPS, thresholdText } from "../shared/thresholdSteps";

export interface HeadControlsProps {
  readonly session: Session;
  /** The name of the attention sinks, such as `first token`. */
  readonly sinkTitle: string;
}

const SINKS: readonly (readonly [Sinks, string])[] = [
  ["shown", "show"],
  ["hidden", "hide"],
  ["renormalized", "hide and rescale"],
];
const TOPS: readonly (number | null)[] = [null, 1, 2, 3, 5, 8, 16, 32];
/** How long the slider must rest before its value applies, so that a drag is a single undo step. */
const REST_MS = 120;

/** What the head view hides: attention sinks, small weights, and all but the largest weights of each query. */
export function HeadControls(props: HeadControlsProps) {
  const view = () => props.session.state().view;
  const change = (part: Parameters<typeof apply>[0]) => apply(part);
  function apply(part: {
    readonly sinks?: Sinks;
    readonly threshold?: number;
    readonly top?: number | null;
  }): void {
    props.session.dispatch({ type: "view", view: part });
  }
  const [dragged, setDragged] = createSignal<number | null>(null);
  let timer: ReturnType<typeof setTimeout> | undefined;
  onCleanup(() => clearTimeout(timer));
  createEffect(
    on(
      () => view().threshold,
      () => setDragged(null),
    ),
  );
  const threshold = () => dragged() ?? view().threshold;
  const drag = (step: number): void => {
    setDragged(THRESHOLD_STEPS[step]);
    clearTimeout(timer);
    timer = setTimeout(() => change({ threshold: THRESHOLD_STEPS[step] }), REST_MS);
  };
  const tops = () => (TOPS.includes(view().top) ? TOPS : [...TOPS, view().top]);
  const sinkLabel = () => (props.sinkTitle.includes(" and ") ? "attention sinks" : props.sinkTitle);

  return (
    <div class="controls" role="group" aria-label="Filters">
      <label
        title={`Attention sinks (${props.sinkTitle}): tokens that collect attention not needed elsewhere. Show them, hide them, or hide them and rescale the other weights of each row to sum to 1 (x)`}
      >
        {sinkLabel()}
        <select
          data-testid="sinks"
          classList={{ active: view().sinks !== "shown" }}
          on:change={(event) => change({ sinks: event.currentTarget.value as Sinks })}
        >
          <For each={SINKS}>
            {([value, text]) => (
              <option value={value} selected={view().sinks === value}>
                {text}
              </option>
            )}
          </For>
        </select>
      </label>
      <label title="Threshold: smaller weights are not drawn">
        ≥
        <input
          type="range"
          min="0"
          max={THRESHOLD_STEPS.length - 1}
          step="1"
          aria-label="Threshold"
          aria-valuetext={thresholdText(threshold())}
          data-testid="threshold"
          value={nearestStep(threshold())}
          on:input={(event) => drag(event.currentTarget.valueAsNumber)}
        />
        <output class="num" classList={{ active: threshold() > 0 }}>
          {thresholdText(threshold())}
        </output>
      </label>
      <label title="Draw only the largest weights of each query">
        top
        <select
          data-testid="top"
          classList={{ active: view().top !== null }}
          on:change={(event) => {
            const { value } = event.currentTarget;
            change({ top: value === "all" ? null : Number(value) });
          }}
        >
          <For each={tops()}>
            {(top) => (
              <option value={top ?? "all"} selected={view().top === top}>
                {top ?? "all"}
              </option>
            )}
          </For>
        </select>
      </label>
    </div>
  );
}
