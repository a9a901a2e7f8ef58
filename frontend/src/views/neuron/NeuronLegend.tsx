import { createEffect, Show } from "solid-js";
import type { LayerField } from "../../compute/layerField";
import { percent, roundedUp } from "../../marks/format";
import { signColor, signShare } from "../../marks/neuron";
import { css } from "../../marks/palette";
import { SCALE_TITLES } from "../../marks/scale";
import type { ViewSettings } from "../../state/state";
import { TokenText } from "../shared/TokenText";
import { type Shown, stillLayer } from "../shared/weights";
import type { NeuronView } from "./createNeuronView";
import { scoreFormula } from "./describe";

export interface NeuronLegendProps {
  readonly now: NeuronView;
  readonly field: LayerField | null;
  /** The requested layer. */
  readonly layer: number;
  readonly shown: Shown;
  readonly view: ViewSettings;
  readonly dark: boolean;
}

/** The color legend, notes on what is masked or missing, and whether the cells add up to the scores. */
export function NeuronLegend(props: NeuronLegendProps) {
  const notes = () => {
    const now = props.now.traced();
    const all: string[] = [];
    if (props.field !== null && props.field.layer !== props.layer)
      all.push(stillLayer(props.field, props.layer));
    if (now === null) return all.join(" · ");
    const { softcap, bias } = now.vectors.data;
    if (now.trace.signed) all.push("Δ: difference, at aligned tokens");
    if (softcap !== null || bias !== null) all.push(`score = ${scoreFormula(now.vectors)}`);
    const sink = props.now.sink();
    if (sink !== null) all.push(`learned sink: ${percent(sink)} of the attention`);
    const removed = props.view.sinks === "renormalized";
    const own = removed ? "hidden or masked" : "masked";
    const without = now.trace.signed ? `${own} in one of the passes, or not aligned` : own;
    if (!now.trace.allowed.includes(1)) all.push(`every key is ${without} for this query`);
    else if (now.trace.allowed.includes(0)) all.push(`▨ ${without}`);
    if (now.trace.set) all.push("an edit set the weights of this row");
    const about = props.now.valuesNote();
    if (about !== null) all.push(about);
    return all.join(" · ");
  };
  return (
    <div class="legend">
      <Show when={props.now.traced()}>
        <span
          class="signs"
          role="img"
          aria-label="From negative to positive"
          title="Orange is negative, blue is positive. The number below each column name has the full color."
        >
          −
          <canvas
            class="ramp"
            width="72"
            height="8"
            aria-hidden="true"
            ref={(canvas) => ramp(canvas, props)}
          />
          +
        </span>
        <Show when={props.view.scale !== "linear"}>
          <span>{SCALE_TITLES[props.view.scale]} scale</span>
        </Show>
        <Show when={props.now.orderName() === "contribution" && props.now.reference() !== null}>
          <span class="cut">
            sorted by contribution to q·k with{" "}
            <TokenText tokens={props.shown.keys} index={props.now.reference()!} />
          </span>
        </Show>
      </Show>
      <span class="num cut" data-testid="neuron-notes" title={notes()}>
        {notes()}
      </span>
      <span class="space" />
      <Show when={props.now.check()}>
        {(check) => (
          <span
            class="num"
            data-testid="neuron-check"
            classList={{ good: check().ok, bad: !check().ok }}
            title="Largest difference between the scores summed from these cells and the scores behind the attention weights. The vectors are sent with fewer digits than the weights, so the weights are more exact."
          >
            {props.now.traced()?.trace.signed ? "Σ Δ(q×k) = Δ(q·k)" : "Σ q×k = q·k"} {check().ok ? "✓" : "✗"}{" "}
            ±{roundedUp(check().most)}
          </span>
        )}
      </Show>
    </div>
  );
}

/** The color ramp from negative to positive. */
function ramp(canvas: HTMLCanvasElement, props: NeuronLegendProps): void {
  createEffect(() => {
    const context = canvas.getContext("2d");
    if (context === null) return;
    for (let x = 0; x < canvas.width; x++) {
      const share = (2 * x) / (canvas.width - 1) - 1;
      context.fillStyle = css(signColor(signShare(share, 1, props.view.scale), props.dark));
      context.fillRect(x, 0, 1, canvas.height);
    }
  });
}
