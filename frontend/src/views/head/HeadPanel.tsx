import { createEffect, createMemo, createSignal, For, on, onCleanup, Show } from "solid-js";
import { ComputedLayer, type LayerField } from "../../compute/field";
import { Normaliser } from "../../compute/normaliser";
import { percent } from "../../marks/format";
import { css, headColour } from "../../marks/palette";
import { darkness, SCALE_TITLES } from "../../marks/scale";
import type { Session } from "../../state/session";
import { currentTrace, headCount, headsOn, type SentenceFilter } from "../../state/state";
import type { Focus, Shown } from "../reading";
import { massOn, sinkKeys, sinkName } from "../reading";
import { Segments } from "../Segments";
import { WholeButton } from "../WholeButton";
import { HeadLines } from "./HeadLines";
import { HeadSquares } from "./HeadSquares";

const FILTERS: readonly (readonly [SentenceFilter, string])[] = [
  ["all", "All"],
  ["AA", "A → A"],
  ["AB", "A → B"],
  ["BA", "B → A"],
  ["BB", "B → B"],
];

export interface HeadPanelProps {
  readonly session: Session;
  readonly field: LayerField | null;
  readonly shown: Shown;
  readonly version: number;
  readonly onKnown: () => void;
  readonly dark: boolean;
  readonly focus: Focus | null;
  readonly onFocus: (focus: Focus | null) => void;
  /** Into the neurons of the token that the keyboard is on. */
  readonly onEnter: () => void;
}

/** The head view with its controls and its legend. */
export function HeadPanel(props: HeadPanelProps) {
  const { session } = props;
  const state = session.state;
  const trace = () => currentTrace(state());
  const stack = () => trace()?.stacks[state().selection.stack];
  const [drawing, setDrawing] = createSignal({ threshold: 0, complete: true, fading: false });
  const heads = () => headsOn(state());

  const normaliser = createMemo(() => {
    const field = props.field;
    if (!(field instanceof ComputedLayer)) return null;
    const one = new Normaliser(field, props.onKnown, session.fail);
    onCleanup(() => one.close());
    return one;
  });
  createEffect(
    on([normaliser, heads], ([one, on]) => {
      one?.ask(on);
      props.onKnown();
    }),
  );

  const sinks = createMemo(() => sinkKeys(props.shown.keys, stack()?.causal ?? false));
  const mass = createMemo(() => {
    void props.version;
    return props.field === null ? null : massOn(props.field, props.shown.heads, sinks());
  });
  const sinkTitle = () => sinkName(props.shown.keys, stack()?.causal ?? false);
  const hasPair = () => props.shown.keys.some((token) => token.sentence === "B");
  const notes = () => {
    const all: string[] = [];
    const { layer } = state().selection;
    if (props.field !== null && props.field.layer !== layer) {
      all.push(`still layer ${props.field.layer}: layer ${layer} is not here yet`);
    }
    if (state().view.sinks === "hidden" && sinks().size > 0) {
      const share = mass();
      all.push(`hidden: ${sinkTitle()}${share === null ? "" : `, ${percent(share)} of the mass`}`);
    }
    if (state().view.filter !== "all") {
      all.push(`only ${FILTERS.find(([value]) => value === state().view.filter)?.[1]}`);
    }
    if (props.shown.heads.length > 1 && (props.focus !== null || state().pins.length > 0)) {
      all.push(`numbers: the largest of ${props.shown.heads.length} heads`);
    }
    if (drawing().threshold > 0) all.push(`weights under ${drawing().threshold.toFixed(4)} not drawn`);
    if (drawing().fading) all.push("lines to tokens out of view fade");
    if (!drawing().complete) all.push("lines from above and below still coming…");
    if (props.field?.mask === "window") all.push("outside the window: not allowed");
    return all.join(" · ");
  };

  return (
    <section class="panel head" aria-label="Head view" data-testid="head-view">
      <div class="bar">
        <h2>Head</h2>
        <Show when={Object.keys(trace()?.stacks ?? {}).length > 1}>
          <select
            aria-label="Stack"
            value={state().selection.stack}
            on:change={(event) => session.dispatch({ type: "stack", stack: event.currentTarget.value })}
          >
            <For each={Object.keys(trace()?.stacks ?? {})}>
              {(name) => <option value={name}>{name}</option>}
            </For>
          </select>
        </Show>
        <span class="stepper">
          <button
            type="button"
            aria-label="Layer before"
            disabled={state().selection.layer === 0}
            on:click={() => session.dispatch({ type: "layer", layer: state().selection.layer - 1 })}
          >
            ‹
          </button>
          <select
            aria-label="Layer"
            data-testid="layer"
            on:change={(event) =>
              session.dispatch({ type: "layer", layer: Number(event.currentTarget.value) })
            }
          >
            <For each={stack()?.shapes ?? []}>
              {(shape, layer) => (
                <option
                  value={layer()}
                  disabled={shape === null}
                  selected={layer() === state().selection.layer}
                >
                  layer {layer()}
                  {shape !== null
                    ? ""
                    : stack()?.left_out?.includes(layer())
                      ? " (left out)"
                      : " (no attention)"}
                </option>
              )}
            </For>
          </select>
          <button
            type="button"
            aria-label="Layer after"
            disabled={state().selection.layer >= (stack()?.layers ?? 1) - 1}
            on:click={() => session.dispatch({ type: "layer", layer: state().selection.layer + 1 })}
          >
            ›
          </button>
        </span>
        <span class="space" />
        <Show when={hasPair()}>
          <div class="filter">
            <Segments
              label="Sentence filter"
              options={FILTERS}
              value={state().view.filter}
              onChange={(filter) => session.dispatch({ type: "view", view: { filter } })}
            />
          </div>
        </Show>
        <button
          type="button"
          class="toggle"
          aria-pressed={state().view.sinks === "hidden"}
          data-testid="hide-sink"
          title={`The ${sinkTitle()}: where attention rests that nothing else needs`}
          on:click={() =>
            session.dispatch({
              type: "view",
              view: { sinks: state().view.sinks === "shown" ? "hidden" : "shown" },
            })
          }
        >
          hide sink
        </button>
        <WholeButton session={session} panel="head" name="Head view" />
      </div>
      <HeadSquares
        layer={state().selection.layer}
        count={headCount(state())}
        on={heads()}
        dark={props.dark}
        onToggle={(head) => session.dispatch({ type: "toggle-head", head })}
        onIsolate={(head) => session.dispatch({ type: "isolate-head", head })}
        onSet={(all) => session.dispatch({ type: "heads", heads: all })}
      />
      <Show when={props.field} fallback={<div class="stage empty" />}>
        {(field) => (
          <HeadLines
            field={field()}
            version={props.version}
            shown={props.shown}
            scale={state().view.scale}
            dark={props.dark}
            pins={state().pins}
            token={state().selection.token}
            focus={props.focus}
            onFocus={props.onFocus}
            onToken={(token) => session.dispatch({ type: "token", token })}
            onPin={(place) => {
              session.dispatch({ type: "pin", place });
              const pinned = state().pins.some((pin) => pin.side === place.side && pin.index === place.index);
              session.dispatch({ type: "token", token: pinned ? place : null });
            }}
            onDrawn={setDrawing}
            onEnter={props.onEnter}
          />
        )}
      </Show>
      <div class="legend">
        <canvas class="ramp" width="96" height="8" aria-hidden="true" ref={(canvas) => ramp(canvas, props)} />
        <span>attention 0 – 1, {SCALE_TITLES[state().view.scale]} scale</span>
        <span class="space" />
        <span class="num" data-testid="legend-notes">
          {notes()}
        </span>
      </div>
    </section>
  );
}

/** The legend's ramp: the colour of the head that is alone, grey where there are several. */
function ramp(canvas: HTMLCanvasElement, props: HeadPanelProps): void {
  createEffect(() => {
    const context = canvas.getContext("2d");
    if (context === null) return;
    const { heads } = props.shown;
    const colour = heads.length === 1 ? headColour(heads[0], props.dark) : ([128, 134, 146] as const);
    const { scale } = props.session.state().view;
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let x = 0; x < canvas.width; x++) {
      const weight = x / (canvas.width - 1);
      context.fillStyle = css(colour, darkness(weight, scale));
      context.fillRect(x, 0, 1, canvas.height);
    }
  });
}
