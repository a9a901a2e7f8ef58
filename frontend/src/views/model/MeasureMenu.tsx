import { createSignal, For, Show } from "solid-js";
import type { Session } from "../../state/session";
import type { ViewSettings } from "../../state/state";
import type { Measure } from "../../wire/messages";
import { Popover } from "../shared/Popover";
import { SegmentedControl } from "../shared/SegmentedControl";

const SORTS: readonly (readonly [ViewSettings["sort"], string])[] = [
  ["none", "as built"],
  ["heads", "heads"],
  ["layers", "layers"],
  ["ranking", "ranking"],
];

const SORT_TIPS: Readonly<Record<ViewSettings["sort"], string>> = {
  none: "Heads stand where the model has them.",
  heads: "Heads within each layer, the largest value first.",
  layers: "Layers by the mean of their heads, the largest first.",
  ranking: "All heads as one list, the largest value first.",
};

export interface MeasureMenuProps {
  readonly session: Session;
  readonly measures: readonly Measure[];
  /** Those that are not defined for this input. */
  readonly missing: readonly Measure[];
  /** The pinned edge as a measure; null where none is pinned. */
  readonly edge: Measure | null;
  readonly chosen: Measure | null;
}

/** What heads are tinted, sorted and filtered by. */
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
  const told = () => pointed() ?? props.chosen;
  return (
    <Popover
      kind="dialog"
      label="Measure of heads"
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
              Not defined for this input: {props.missing.map(({ title }) => title).join(", ")}.
            </p>
          </Show>
          <p class="quiet tip">
            {told()?.sentence ?? "A number for each head: tint the heads by it, put them in order."}
          </p>
          <Show when={props.chosen !== null}>
            <div class="settings">
              <span class="quiet">Order</span>
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
                tint the heads
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
                without the sinks, the rest brought back to 1
              </label>
            </div>
          </Show>
        </div>
      )}
    </Popover>
  );
}
