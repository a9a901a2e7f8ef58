import { createMemo, For, Show } from "solid-js";
import { css } from "../../marks/palette";
import type { Session } from "../../state/session";
import { type ShownMeasure, signedText, valueText } from "./measures";
import { tintColor } from "./thumbnailStyle";

export interface MeasureLegendProps {
  readonly session: Session;
  readonly measure: ShownMeasure;
  readonly dark: boolean;
  readonly count: { readonly all: number; readonly inside: number };
}

const BINS = 36;
const STEPS = 200;

/** A histogram of the values over the heads, in tint colors, with range sliders to filter heads. */
export function MeasureLegend(props: MeasureLegendProps) {
  const view = () => props.session.state().view;
  const bounds = () => props.measure.bounds ?? ([0, 1] as const);
  const span = () => bounds()[1] - bounds()[0];
  const bars = createMemo(() => {
    const counts = new Array<number>(BINS).fill(0);
    for (const value of props.measure.values) {
      const at = span() === 0 ? 0.5 : (value - bounds()[0]) / span();
      counts[Math.min(BINS - 1, Math.floor(at * BINS))] += 1;
    }
    const most = Math.max(1, ...counts);
    return counts.map((count, at) => ({
      height: count === 0 ? 0 : Math.max(0.1, Math.sqrt(count / most)),
      share: (at + 0.5) / BINS,
    }));
  });
  const at = (value: number | null, otherwise: number) =>
    value === null || span() === 0 ? otherwise : Math.round(((value - bounds()[0]) / span()) * STEPS);
  const low = () => at(view().range[0], 0);
  const high = () => at(view().range[1], STEPS);
  const atStep = (step: number) => bounds()[0] + (span() * step) / STEPS;
  const set = (from: number, to: number): void => {
    const range = [from <= 0 ? null : atStep(from), to >= STEPS ? null : atStep(to)] as const;
    props.session.dispatch({ type: "view", view: { range } });
  };
  const ends = (value: number) => (props.measure.signed ? signedText(value) : valueText(value));
  const filtered = () => view().range.some((bound) => bound !== null);
  /** The tint at a share of the range. */
  const colorAt = (share: number): string => {
    const { signed } = props.measure;
    return css(tintColor(view().palette, props.dark, signed ? 2 * share - 1 : share, signed));
  };
  const outside = (share: number) => share * STEPS < low() || share * STEPS > high();
  const undefinedHeads = () => props.count.all - props.measure.values.length;
  return (
    <div class="measure-legend" data-testid="measure-legend">
      <div class="line num">
        <b>
          <bdi>{props.measure.title}</bdi>
        </b>
        <span class="quiet">
          {[
            props.measure.unit,
            props.measure.pass ?? "",
            view().measured === "off-sink" ? "excluding sinks" : "",
          ]
            .filter(Boolean)
            .join(" · ")}
        </span>
        <span class="space" />
        <Show when={filtered()}>
          <span data-testid="measure-count">
            {props.count.inside} of {props.count.all} heads
          </span>
          <button type="button" class="ghost small" on:click={() => set(0, STEPS)}>
            show all
          </button>
        </Show>
      </div>
      <Show
        when={props.measure.bounds !== null}
        fallback={
          <p class="quiet">
            Undefined for this input{view().measured === "off-sink" ? " without attention sinks" : ""}.
          </p>
        }
      >
        <div class="spread">
          <div class="bars" aria-hidden="true">
            <For each={bars()}>
              {(bar) => (
                <i
                  classList={{ outside: outside(bar.share) }}
                  style={{
                    height: `${100 * bar.height}%`,
                    background: colorAt(props.measure.signed ? bar.share : 0.25 + 0.75 * bar.share),
                  }}
                />
              )}
            </For>
          </div>
          <div class="tint-ramp" aria-hidden="true">
            <For each={bars()}>
              {(bar) => (
                <i classList={{ outside: outside(bar.share) }} style={{ background: colorAt(bar.share) }} />
              )}
            </For>
          </div>
          <input
            type="range"
            aria-label={`Minimum ${props.measure.title}`}
            aria-valuetext={valueText(atStep(low()))}
            data-testid="range-least"
            min="0"
            max={STEPS}
            value={low()}
            on:input={(event) => set(Math.min(Number(event.currentTarget.value), high()), high())}
          />
          <input
            type="range"
            aria-label={`Maximum ${props.measure.title}`}
            aria-valuetext={valueText(atStep(high()))}
            data-testid="range-most"
            min="0"
            max={STEPS}
            value={high()}
            on:input={(event) => set(low(), Math.max(Number(event.currentTarget.value), low()))}
          />
        </div>
        <div class="line num quiet">
          <span>{ends(view().range[0] ?? bounds()[0])}</span>
          <span class="space" />
          <Show when={undefinedHeads() > 0}>
            <span>▨ {undefinedHeads()} undefined</span>
            <span class="space" />
          </Show>
          <span>{ends(view().range[1] ?? bounds()[1])}</span>
        </div>
      </Show>
    </div>
  );
}
