import { createEffect, Show } from "solid-js";
import { counted, significant } from "../../marks/format";
import { SCALE_TITLES } from "../../marks/scale";
import type { HeadPlace, Scale } from "../../state/state";
import { signedRamp } from "./differenceStyle";
import { type Coloring, groundAndInk } from "./thumbnailStyle";

export interface LegendProps {
  /** The colors of weights, from 0 to the largest. */
  readonly coloring: Omit<Coloring, "dimmed">;
  /** What the weights show. */
  readonly notes: string;
  /** What differs; null if weights are shown. */
  readonly difference: DifferenceFacts | null;
  /** The heads that were changed, in the order of the model. */
  readonly changed: readonly HeadPlace[];
}

export interface DifferenceFacts {
  /** The |difference| with full color. */
  readonly full: number;
  readonly scale: Scale;
  /** The name of what is drawn: one head, or all. */
  readonly over: "heads" | "head";
  /** Layers in which no weight differs, and how many layers there are. */
  readonly unchanged: readonly number[];
  readonly layers: number;
  /** Why layers or heads have no difference; null if all do. */
  readonly note: string | null;
  /** Settings that leave something out. */
  readonly omitted: readonly string[];
  /** Whether a measure replaces the colors of differences. */
  readonly tinted: boolean;
}

const MOST_NAMED = 6;

/** What the colors and marks of the thumbnails mean. */
export function ModelLegend(props: LegendProps) {
  return (
    <div class="legend" data-testid="model-legend">
      <canvas class="ramp" width="64" height="8" aria-hidden="true" ref={(canvas) => ramp(canvas, props)} />
      <span>
        <Show when={props.difference} fallback={props.notes}>
          {(facts) => differenceWords(facts())}
        </Show>
        <Show when={props.changed.length > 0}>
          <span class="changed-heads" data-testid="changed-heads">
            {" · "}
            <i class="changed-corner" aria-hidden="true" />
            {`changed: ${named(props.changed)}`}
          </span>
        </Show>
      </span>
    </div>
  );
}

/** What differences show: `after − before, one √ scale, ±.85 · gray: no change; in layers 0–22 none at all`. */
export function differenceWords(facts: DifferenceFacts): string {
  const { full, scale, over, unchanged, layers, note, omitted, tinted } = facts;
  const whole = layers > 0 && unchanged.length === layers;
  const parts: string[] = [];
  if (tinted) parts.push("tint: after − before; gray: the current pass");
  else if (full === 0 || whole) parts.push("after − before: no change");
  else {
    const one = over === "heads" ? "one " : "";
    parts.push(`after − before, ${one}${SCALE_TITLES[scale]} scale, ±${rangeText(full)}`);
    const none = unchanged.length > 0 ? `; in ${layerRanges(unchanged)} none at all` : "";
    parts.push(`gray: no change${none}`);
  }
  if (note !== null) parts.push(note);
  return [...parts, ...omitted].join(" · ");
}

/** The end of the scale: `.85`, `1.0`, `0.0021`. */
export function rangeText(full: number): string {
  if (full >= 0.995) return "1.0";
  return full >= 0.095 ? full.toFixed(2).slice(1) : significant(full, 2);
}

/** `layer 3`, `layers 0–22`, `layers 0–3, 5`, or how many if there are many ranges. */
export function layerRanges(layers: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const layer of layers) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] + 1 === layer) last[1] = layer;
    else ranges.push([layer, layer]);
  }
  if (layers.length === 1) return `layer ${layers[0]}`;
  if (ranges.length > 4) return `${layers.length} layers`;
  return `layers ${ranges.map(([first, last]) => (first === last ? `${first}` : `${first}–${last}`)).join(", ")}`;
}

function named(heads: readonly HeadPlace[]): string {
  if (heads.length > MOST_NAMED) return counted(heads.length, "head");
  return heads.map(({ layer, head }) => `${layer}.${head}`).join(", ");
}

/** The color ramp: from 0 to the head's largest weight, or from the lowest to the highest difference. */
function ramp(canvas: HTMLCanvasElement, props: LegendProps): void {
  createEffect(() => {
    const context = canvas.getContext("2d");
    if (context === null) return;
    const image = context.createImageData(canvas.width, canvas.height);
    const words = new Uint32Array(image.data.buffer);
    const signed = props.difference !== null;
    const colors = signed
      ? signedRamp(256, props.coloring.dark)
      : groundAndInk({ ...props.coloring, dimmed: false });
    for (let at = 0; at < words.length; at++) {
      words[at] = colors[Math.round((255 * (at % canvas.width)) / (canvas.width - 1))];
    }
    context.putImageData(image, 0, 0);
  });
}
