import { createSignal, For, Show } from "solid-js";
import type { Session } from "../../state/session";
import type { ViewSettings } from "../../state/state";
import type { Measure } from "../../wire/messages";
import { Popover } from "../shared/Popover";
import { SegmentedControl } from "../shared/SegmentedControl";

const SORTS: readonly (readonly [ViewSettings["sort"], string])[] = [
  ["none", "model order"],
  ["heads", "heads"],
  ["layers", "layers"],
  ["ranking", "by rank"],
];

const SORT_TIPS: Readonly<Record<ViewSettings["sort"], string>> = {
  none: "Layers and heads are in the order of the model.",
  heads: "Heads are sorted within each layer, largest value first.",
  layers: "Layers are sorted by the mean over their heads, largest first.",
  ranking: "All heads are in one list, largest value first.",
};

export interface MeasureMenuProps {
  readonly session: Session;
  readonly measures: readonly Measure[];
  /** The measures that are undefined for this input. */
  readonly missing: readonly Measure[];
  /** The pinned edge as a measure; null if no edge is pinned. */
  readonly edge: Measure | null;
  readonly chosen: Measure | null;
}

/** Selects the measure by which heads are tinted, sorted and filtered. */
export function MeasureMenu(props: MeasureMenuProps) {
  const [pointed, setPointed] = createSignal<Measure | null>(null);
  const view = () => props.session.state().view;
  const set = (part: Partial<ViewSettings>): void => props.session.dispatch({ type: "view", view: part });
  const all = () => (props.edge === null ? props.measures : [props.edge, ...props.measures]);
  const choose = (measure: Measure | null): void =>
    set({
      measure: measure?.name ?? null,
      range: [null, null],
      ...(measure === null ? { sort: "none" as const } : {}),
    });
  const described = () => pointed() ?? props.chosen;
  const hint = () =>
    props.measures.length + props.missing.length === 0
      ? "The measures are still loading."
      : "Choose a measure to tint, sort, or filter the heads.";
  return (
    <Popover
      kind="dialog"
      label="Measure of heads"
      title="Measure: tint, sort or filter the heads by a property of their attention"
      class={props.chosen === null ? "ghost measure-button" : "ghost measure-button on"}
      testid="measure-menu"
      face={
        <>
          <span class="face">{props.chosen?.title ?? "Measure"}</span> <span class="caret">▾</span>
        </>
      }
    >
      {() => (
        <div class="measure-box">
          <div class="choices" role="radiogroup" aria-label="Measure">
            <button
              type="button"
              role="radio"
              aria-checked={props.chosen === null}
              on:click={() => choose(null)}
              on:focus={() => setPointed(null)}
            >
              none
            </button>
            <For each={all()}>
              {(measure) => (
                <button
                  type="button"
                  role="radio"
                  aria-checked={props.chosen?.name === measure.name}
                  data-testid={`measure-${measure.name}`}
                  on:click={() => choose(measure)}
                  on:focus={() => setPointed(measure)}
                  on:pointerenter={() => setPointed(measure)}
                  on:pointerleave={() => setPointed(null)}
                >
                  <bdi>{measure.title}</bdi>
                  <span class="quiet">{measure.name === "edge" ? "weight" : measure.unit}</span>
                </button>
              )}
            </For>
          </div>
          <Show when={props.missing.length > 0}>
            <p class="quiet tip-missing">
              Undefined for this input: {props.missing.map(({ title }) => title).join(", ")}.
            </p>
          </Show>
          <p class="quiet tip">{described()?.sentence ?? hint()}</p>
          <Show when={props.chosen !== null}>
            <div class="settings">
              <span class="quiet wide">Order</span>
              <SegmentedControl
                label="Order"
                options={SORTS}
                value={view().sort}
                onChange={(sort) => set({ sort })}
              />
              <p class="quiet wide">{SORT_TIPS[view().sort]}</p>
              <label class="wide check">
                <input
                  type="checkbox"
                  data-testid="measure-tint"
                  checked={view().tint === "on"}
                  on:change={(event) => set({ tint: event.currentTarget.checked ? "on" : "off" })}
                />
                Tint the heads
              </label>
              <label class="wide check">
                <input
                  type="checkbox"
                  data-testid="measure-off-sink"
                  checked={view().measured === "off-sink"}
                  on:change={(event) =>
                    set({ measured: event.currentTarget.checked ? "off-sink" : "all", range: [null, null] })
                  }
                />
                Exclude attention sinks and renormalize
              </label>
            </div>
          </Show>
        </div>
      )}
    </Popover>
  );
}
