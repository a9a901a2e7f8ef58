import { createEffect, Show } from "solid-js";
import { counted } from "../../marks/format";
import type { HeadPlace } from "../../state/state";
import { signedRamp } from "./differenceStyle";
import { type DifferenceFacts, differenceWords } from "./differenceWords";
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

const MOST_NAMED = 6;

/** What the colors and marks of the thumbnails mean. */
export function ModelLegend(props: LegendProps) {
  return (
    <div class="legend" data-testid="model-legend">
      <canvas class="ramp" width="64" height="8" aria-hidden="true" ref={(canvas) => ramp(canvas, props)} />
      <span>
        {props.difference === null ? props.notes : differenceWords(props.difference)}
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
