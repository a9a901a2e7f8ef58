import type { JSX } from "solid-js";
import { css, headColor } from "../../marks/palette";

/** What a box is about, and the number that it is changed to. */
export function BoxTitle(props: {
  readonly layer: number;
  readonly head: number;
  readonly dark: boolean;
  readonly value: string;
  readonly changed: boolean;
  readonly children?: JSX.Element;
}) {
  return (
    <h3 class="box-title">
      <i class="swatch" style={{ background: css(headColor(props.head, props.dark)) }} aria-hidden="true" />
      <b class="num">
        {props.layer}.{props.head}
      </b>
      <span class="what">{props.children}</span>
      <output class="num value" classList={{ is: props.changed }} data-testid="change-value">
        {props.value}
      </output>
    </h3>
  );
}
