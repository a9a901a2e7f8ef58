import { createEffect, on, onCleanup, onMount, Show } from "solid-js";
import type { LayerField } from "../../compute/layerField";
import { headName, percent } from "../../marks/format";
import { signColor, signShare } from "../../marks/neuron";
import { css, headColor } from "../../marks/palette";
import { darkness, SCALE_TITLES } from "../../marks/scale";
import { type EditMarks, headsOff } from "../../state/editMarks";
import type { SentenceFilter, ViewSettings } from "../../state/state";
import { strandWords } from "../shared/lineScales";
import { thresholdText } from "../shared/thresholdSteps";
import { type Shown, stillLayer } from "../shared/weights";
import type { RasterSummary } from "./lineRaster";
import { RoleLegend } from "./RoleLegend";

export interface HeadLegendProps {
  readonly field: LayerField | null;
  /** The requested layer. */
  readonly layer: number;
  readonly shown: Shown;
  readonly view: ViewSettings;
  readonly dark: boolean;
  readonly drawn: RasterSummary | null;
  readonly sinkTitle: string;
  /** Whether numbers are shown beside the tokens. */
  readonly numbers: boolean;
  /** What differences are, as `after − before`. */
  readonly difference: string;
  /** What edits do to the layer. */
  readonly marks: EditMarks;
}

const FILTERS: Readonly<Record<SentenceFilter, string>> = {
  all: "",
  AA: "A → A",
  AB: "A → B",
  BA: "B → A",
  BB: "B → B",
};

/** A placeholder as long as the final notes, while the lines are still being counted. */
const PLACEHOLDER: RasterSummary = {
  least: 0.001,
  crowded: 0,
  dropped: 0.1,
  hidden: null,
  total: null,
  complete: true,
  fading: true,
};
/** With more tokens than this, some weights are never drawn. */
const MANY = 64;

/**
 * The color legend of the head view, and notes on what it does not show. Its size stays constant under the pointer, because
 * space is reserved for notes that appear only at times.
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
    const drawn = counting() ? PLACEHOLDER : props.drawn;
    const all: string[] = [];
    if (field !== null && field.layer !== layer) all.push(stillLayer(field, layer));
    if (view.sinks !== "shown" && shown.hiddenKeys.size > 0) {
      const share = drawn?.hidden == null ? "" : ` (${percent(drawn.hidden)} of the attention)`;
      const verb = view.sinks === "hidden" ? "hidden:" : "renormalized without the";
      all.push(`${verb} ${props.sinkTitle}${share}`);
    }
    if (view.filter !== "all") all.push(`only ${FILTERS[view.filter]}`);
    if (drawn !== null) all.push(...notDrawn(drawn, shown, field?.signed ?? false));
    all.push(...changes());
    if (drawn?.fading) all.push("lines to off-screen tokens fade out");
    if (drawn?.complete === false) all.push("loading lines from off-screen tokens…");
    if (field?.mask === "window") all.push("keys outside the attention window are masked");
    return all.join(" · ");
  };
  const signed = () => props.field?.signed ?? false;
  /** What the marks of changed lines and heads mean, as far as there are any on show. */
  const changes = (): readonly string[] => {
    const { marks, shown, field } = props;
    const lines = marks.lines.filter(({ head }) => shown.heads.includes(head));
    const off = headsOff(marks).filter((head) => shown.heads.includes(head));
    const names = off.map((head) => headName(field?.layer ?? 0, head)).join(", ");
    return [
      ...(lines.some(({ weight }) => weight !== null) ? ["● set by a change"] : []),
      ...(lines.some(({ weight }) => weight === null) ? ["× cut by a change"] : []),
      ...(off.length > 0 && !signed() ? [`dashed: ${names} is off, its attention is not changed`] : []),
    ];
  };
  const numbers = () => {
    const { length } = props.shown.heads;
    return signed()
      ? `numbers: largest change over ${length} heads`
      : `numbers: maximum over ${length} heads`;
  };
  return (
    <div class="legend" ref={legend}>
      <canvas class="ramp" width="96" height="8" aria-hidden="true" ref={(canvas) => ramp(canvas, props)} />
      <span data-testid="legend-scale">
        {signed()
          ? `${props.difference}, ${SCALE_TITLES.root} scale, ±1`
          : `attention 0 – 1, ${SCALE_TITLES[props.view.scale]} scale`}
      </span>
      <Show when={signed() && props.shown.heads.length > 1}>
        <span>{strandWords(props.shown.heads)}</span>
      </Show>
      <RoleLegend tokens={props.shown.queries} />
      <span class="space" />
      <span class="num" data-testid="legend-notes">
        <span classList={{ unsaid: counting() }}>{notes()}</span>
        <Show when={props.shown.heads.length > 1}>
          <span classList={{ unsaid: !props.numbers }}>
            {notes() === "" ? "" : " · "}
            {numbers()}
          </span>
        </Show>
      </span>
    </div>
  );
}

/** Keeps the largest height that the legend has had at its width, until the input changes. */
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

/** What is not drawn because of the threshold, the top limit or low visibility, and how much attention that is. */
function notDrawn(
  { dropped, least, crowded, total }: RasterSummary,
  { threshold, top }: Shown,
  signed: boolean,
): readonly string[] {
  const chosen = threshold > 0 || top !== null;
  if (!signed && !chosen && crowded === 0 && (dropped === null || dropped < 0.0005)) return [];
  const under = Math.max(least, crowded);
  const parts = [
    ...(under > 0 ? [`below ${thresholdText(under)}`] : []),
    ...(top === null ? [] : [`outside the top ${top} of a query`]),
  ];
  if (signed) {
    const known = dropped !== null && total !== null && total > 0;
    const of = known ? `${percent(dropped / total)} of them all` : total === 0 ? "nothing changes" : "…";
    return total === 0 ? [of] : [`not drawn: changes ${parts.join(" or ").replace("below", "under")}, ${of}`];
  }
  const share = dropped === null ? "…" : `${percent(dropped)} of the attention`;
  return [`not drawn: weights ${parts.join(" or ")} (${share})`];
}

/** The color ramp: from orange to blue for differences, else the color of a single head, or gray for several. */
function ramp(canvas: HTMLCanvasElement, props: HeadLegendProps): void {
  createEffect(() => {
    const context = canvas.getContext("2d");
    if (context === null) return;
    const { heads } = props.shown;
    const color = heads.length === 1 ? headColor(heads[0], props.dark) : ([128, 134, 146] as const);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const signed = props.field?.signed ?? false;
    for (let x = 0; x < canvas.width; x++) {
      const share = x / (canvas.width - 1);
      if (signed) {
        context.fillStyle = css(signColor(signShare(2 * share - 1, 1, "root"), props.dark));
        context.fillRect(x, 0, 1, canvas.height);
        continue;
      }
      context.fillStyle = css(color, darkness(share, props.view.scale));
      context.fillRect(x, 0, 1, canvas.height);
    }
  });
}
