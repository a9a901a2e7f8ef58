import { createEffect, on, onCleanup, onMount, Show } from "solid-js";
import type { LayerField } from "../../compute/layerField";
import { percent } from "../../marks/format";
import { css, headColor } from "../../marks/palette";
import { darkness, SCALE_TITLES } from "../../marks/scale";
import type { SentenceFilter, ViewSettings } from "../../state/state";
import { thresholdText } from "../shared/thresholdSteps";
import { type Shown, stillLayer } from "../shared/weights";
import type { RasterSummary } from "./lineRaster";
import { RoleLegend } from "./RoleLegend";

export interface HeadLegendProps {
  readonly field: LayerField | null;
  /** The layer that was asked for. */
  readonly layer: number;
  readonly shown: Shown;
  readonly view: ViewSettings;
  readonly dark: boolean;
  readonly drawn: RasterSummary | null;
  readonly sinkTitle: string;
  /** Whether numbers stand beside the tokens. */
  readonly numbers: boolean;
}

const FILTERS: Readonly<Record<SentenceFilter, string>> = {
  all: "",
  AA: "A → A",
  AB: "A → B",
  BA: "B → A",
  BB: "B → B",
};

/** As long as what will be said of an input whose lines are still being counted. */
const TO_COME: RasterSummary = {
  least: 0.001,
  crowded: 0,
  dropped: 0.1,
  hidden: null,
  complete: true,
  fading: true,
};
/** From so many tokens on something is always left out. */
const MANY = 64;

/**
 * What the head view's colors mean, and what it does not show. It never grows or shrinks under the pointer: what is
 * said only at times, or not yet, has its room from the beginning.
 */
export function HeadLegend(props: HeadLegendProps) {
  let legend!: HTMLDivElement;
  keepRoom(
    () => legend,
    () => props.shown.queries,
  );
  const counting = () => props.drawn === null && props.shown.queries.length > MANY;
  const notes = () => {
    const { field, layer, shown, view } = props;
    const drawn = counting() ? TO_COME : props.drawn;
    const all: string[] = [];
    if (field !== null && field.layer !== layer) all.push(stillLayer(field, layer));
    if (view.sinks !== "shown" && shown.hiddenKeys.size > 0) {
      const share = drawn?.hidden == null ? "" : `, ${percent(drawn.hidden)} of the attention`;
      const verb = view.sinks === "hidden" ? "hidden:" : "renormalized without the";
      all.push(`${verb} ${props.sinkTitle}${share}`);
    }
    if (view.filter !== "all") all.push(`only ${FILTERS[view.filter]}`);
    if (drawn !== null) all.push(...leftOut(drawn, shown));
    if (drawn?.fading) all.push("lines to tokens out of view fade");
    if (drawn?.complete === false) all.push("lines from elsewhere still coming…");
    if (field?.mask === "window") all.push("outside the window: not allowed");
    return all.join(" · ");
  };
  return (
    <div class="legend" ref={legend}>
      <canvas class="ramp" width="96" height="8" aria-hidden="true" ref={(canvas) => ramp(canvas, props)} />
      <span>attention 0 – 1, {SCALE_TITLES[props.view.scale]} scale</span>
      <RoleLegend tokens={props.shown.queries} />
      <span class="space" />
      <span class="num" data-testid="legend-notes">
        <span classList={{ unsaid: counting() }}>{notes()}</span>
        <Show when={props.shown.heads.length > 1}>
          <span classList={{ unsaid: !props.numbers }}>
            {notes() === "" ? "" : " · "}numbers: the largest of {props.shown.heads.length} heads
          </span>
        </Show>
      </span>
    </div>
  );
}

/** Keeps the most room that a legend has taken at its width, until it is of another input. */
function keepRoom(legend: () => HTMLElement, anew: () => unknown): void {
  let width = 0;
  const forget = (): void => {
    legend().style.minHeight = "";
  };
  createEffect(on(anew, forget, { defer: true }));
  onMount(() => {
    const watch = new ResizeObserver(() => {
      const now = legend();
      if (now.clientWidth !== width) forget();
      width = now.clientWidth;
      now.style.minHeight = `${now.offsetHeight}px`;
    });
    watch.observe(legend());
    onCleanup(() => watch.disconnect());
  });
}

/** What threshold, top and the eye leave out, and how much attention that is. */
function leftOut({ dropped, least, crowded }: RasterSummary, { threshold, top }: Shown): readonly string[] {
  const chosen = threshold > 0 || top !== null;
  if (!chosen && crowded === 0 && (dropped === null || dropped < 0.0005)) return [];
  const under = Math.max(least, crowded);
  const parts = [
    ...(under > 0 ? [`weights under ${thresholdText(under)}`] : []),
    ...(top === null ? [] : [`what is not in a row’s top ${top}`]),
  ];
  const share = dropped === null ? "…" : `${percent(dropped)} of the attention`;
  return [`not drawn: ${parts.join(" and ")}, ${share}`];
}

/** The legend's ramp: the color of the head that is alone, gray where there are several. */
function ramp(canvas: HTMLCanvasElement, props: HeadLegendProps): void {
  createEffect(() => {
    const context = canvas.getContext("2d");
    if (context === null) return;
    const { heads } = props.shown;
    const color = heads.length === 1 ? headColor(heads[0], props.dark) : ([128, 134, 146] as const);
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let x = 0; x < canvas.width; x++) {
      context.fillStyle = css(color, darkness(x / (canvas.width - 1), props.view.scale));
      context.fillRect(x, 0, 1, canvas.height);
    }
  });
}
