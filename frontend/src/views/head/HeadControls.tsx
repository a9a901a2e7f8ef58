import { createEffect, createSignal, For, on, onCleanup } from "solid-js";
import type { Session } from "../../state/session";
import type { Sinks } from "../../state/state";
import { nearestStep, THRESHOLD_STEPS, thresholdText } from "../shared/thresholdSteps";

export interface HeadControlsProps {
  readonly session: Session;
  /** What the sinks are called. */
  readonly sinkTitle: string;
}

const SINKS: readonly (readonly [Sinks, string])[] = [
  ["shown", "sink shown"],
  ["hidden", "sink hidden"],
  ["renormalized", "renormalized"],
];
const TOPS: readonly (number | null)[] = [null, 1, 2, 3, 5, 8, 16, 32];
/** How long the slider rests before its value counts, so that a drag is one step to undo. */
const REST_MS = 120;

/** What the head view leaves out: sinks, light weights, all but the heaviest of each row. */
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

  return (
    <div class="controls" role="group" aria-label="What is left out">
      <select
        aria-label="Sink"
        title={`The ${props.sinkTitle}: where attention rests that nothing else needs. Hidden, or hidden with the other weights of a row brought to a sum of 1 (x)`}
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
      <label title="Weights below it are not drawn">
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
      <label title="Only the heaviest weights of each row">
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
