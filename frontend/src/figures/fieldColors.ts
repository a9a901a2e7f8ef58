/** The colors and the scale of a figure's numbers: of heads for weights, of signs for differences. Pure. */

import type { LayerField } from "../compute/layerField";
import { signColor } from "../marks/neuron";
import { headColor, type Rgb } from "../marks/palette";
import type { ScaleName } from "../marks/scale";

/** How far the colors of signed lines and boxes are from zero on their scale. */
const SIGN_SHARE = { line: 0.8, box: 0.6 };

/** The color of a head's weights, or of a difference by its sign. */
export function valueColor(
  { signed }: Pick<LayerField, "signed">,
  head: number,
  value: number,
  dark: boolean,
  part: keyof typeof SIGN_SHARE,
): Rgb {
  return signed ? signColor(Math.sign(value) * SIGN_SHARE[part], dark) : headColor(head, dark);
}

/** The scale of lines: differences are always on the root scale, as on the page. */
export function scaleOf({ signed }: Pick<LayerField, "signed">, scale: ScaleName): ScaleName {
  return signed ? "root" : scale;
}
