import { createMemo, For, Index, Show } from "solid-js";
import type { HeadVectors } from "../../compute/neuron";
import type { Pairing } from "../../compute/rotaryPairs";
import { sized } from "../../marks/format";
import type { Columns } from "./columns";

import { headingsOf, ticksOf } from "./headings";
import type { Fulls, ValueSide } from "./scene";

export interface ColumnHeadsProps {
  readonly columns: Columns;
  readonly vectors: HeadVectors;
  readonly fulls: Fulls;
  readonly side: ValueSide | null;
  /** Data for the wavelength axis; null unless dimensions are sorted by wavelength. */
  readonly turns: { readonly pairing: Pairing; readonly order: Uint16Array } | null;
  readonly group: 0 | 1 | 2;
  /** Whether the numbers are differences. */
  readonly signed: boolean;
  readonly query: number;
  readonly queryName: string;
  /** Whether hidden keys were removed. The head output is over all keys, so it cannot be compared with these sums. */
  readonly renormalized: boolean;
  /** Empty space above, in CSS pixels. */
  readonly above: number;
}

/** Column names and color ranges, with a wavelength axis and the norm of the head output below them. */
export function ColumnHeads(props: ColumnHeadsProps) {
  const headings = createMemo(() =>
    headingsOf(
      props.columns,
      props.fulls,
      props.vectors,
      props.side,
      props.turns === null ? "range" : "axis",
      props.signed,
    ),
  );
  const ticks = createMemo(() =>
    props.turns === null ? [] : ticksOf(props.columns, props.turns.pairing, props.turns.order, props.group),
  );
  const output = () => {
    const norms = props.columns.values?.norms;
    const lengths = props.side?.values.outputs;
    if (!norms || !lengths || props.side === null || props.side.weighted === null) return null;
    if (props.renormalized) return null;
    const whole = props.side.weighted.reduce((sum, one) => sum + one, 0);
    const length = lengths[props.query];
    const full = Math.max(whole, length);
    return {
      x: norms.f,
      width: norms.weighted + norms.width - norms.f,
      text: `output ${sized(length, full)} of ${sized(whole, full)}`,
      title: `The norm of the head output for ${props.queryName} is ${sized(length, full)}. The contributions α‖f(x)‖ of the keys sum to ${sized(whole, full)}. The larger the gap, the more the contributions cancel each other.`,
    };
  };
  return (
    <div
      class="neuron-heads"
      data-testid="neuron-columns"
      aria-hidden="true"
      style={{ "margin-top": `${props.above}px` }}
    >
      <Index each={headings()}>
        {(now) => (
          <span
            title={now().title}
            style={{ left: `${now().x + now().width / 2}px`, "min-width": `${now().width}px` }}
          >
            {now().text}
            <i class="num">{now().below}</i>
          </span>
        )}
      </Index>
      <Show when={ticks().length > 0}>
        <For each={[props.columns.q, props.columns.k, props.columns.product]}>
          {(x) => (
            <div
              class="turns num"
              data-testid="neuron-turns"
              title="Rotary wavelength (RoPE): tokens per full rotation of each pair of dimensions"
              style={{ left: `${x}px`, width: `${props.columns.span}px` }}
            >
              <For each={ticks()}>{(tick) => <span style={{ left: `${tick.x}px` }}>{tick.text}</span>}</For>
            </div>
          )}
        </For>
      </Show>
      <Show when={output()}>
        {(now) => (
          <span
            class="output num"
            data-testid="neuron-output"
            title={now().title}
            style={{ left: `${now().x + now().width / 2}px` }}
          >
            {now().text}
          </span>
        )}
      </Show>
    </div>
  );
}
