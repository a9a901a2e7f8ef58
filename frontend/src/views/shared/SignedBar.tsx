import { signColor } from "../../marks/neuron";
import { css } from "../../marks/palette";

/** A bar from the middle: to the right and blue above zero, to the left and orange below. The ends are ±1. */
export function SignedBar(props: { readonly value: number; readonly dark: boolean }) {
  const long = () => 50 * Math.min(1, Math.abs(props.value));
  return (
    <span class="signed-bar">
      <i
        style={{
          left: `${props.value < 0 ? 50 - long() : 50}%`,
          width: `${long()}%`,
          background: css(signColor(0.8 * Math.sign(props.value), props.dark)),
        }}
      />
    </span>
  );
}
