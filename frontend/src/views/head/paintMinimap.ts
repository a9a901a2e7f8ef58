/** Paints where attention goes over the whole input, in a narrow strip. */

import type { HeadSummary } from "../../compute/headSummary";
import { css, headColor } from "../../marks/palette";
import type { Place, Side } from "../../state/state";
import { context2d, pixelRatio } from "../shared/canvas";
import { rowY, type TokenLayout } from "../shared/tokenLayout";
import { orient, type Theme } from "./canvasTheme";
import type { Shading } from "./overlay";

export interface MinimapScene {
  readonly layout: TokenLayout;
  readonly summaries: readonly HeadSummary[];
  readonly shading: Shading | null;
  readonly pins: readonly Place[];
  readonly theme: Theme;
}

/** The drawn attention that each key receives, or, for the current token, its weights with the tokens opposite. */
export function paintMinimap(canvas: HTMLCanvasElement, scene: MinimapScene): void {
  const { layout, summaries, shading, pins, theme } = scene;
  const ratio = pixelRatio();
  const turned = layout.cells !== undefined;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  const context = context2d(canvas);
  orient(context, turned, ratio);
  const [across, along] = turned ? [height, width] : [width, height];
  const pixel = 1 / ratio;
  const at = (index: number, side: Side) => (rowY(layout, index, 0, side) / layout.extent) * along;
  const middle = across / 2;
  const bars = (side: Side, all: readonly { readonly head: number; readonly values: Float32Array }[]) => {
    const bins = Math.max(1, Math.round(along / pixel));
    const color = all.length === 1 ? headColor(all[0].head, theme.dark) : ([128, 134, 146] as const);
    const heaviest = new Float32Array(bins);
    const count = all[0]?.values.length ?? 0;
    let most = 0;
    for (let index = 0; index < count; index++) {
      let value = 0;
      for (const { values } of all) value += values[index];
      const bin = Math.max(0, Math.min(bins - 1, Math.floor(at(index, side) / pixel)));
      heaviest[bin] = Math.max(heaviest[bin], value);
      most = Math.max(most, value);
    }
    if (most === 0) return;
    // For a short input, a bar is nearly as thick as its token is long.
    const thick = Math.max(1, pixel, (0.6 * along) / Math.max(1, count));
    context.fillStyle = css(color, 0.9);
    for (let bin = 0; bin < bins; bin++) {
      if (heaviest[bin] === 0) continue;
      const long = Math.sqrt(heaviest[bin] / most) * (across - 4);
      context.fillRect(side === "query" ? across - 2 - long : 2, bin * pixel - thick / 2, long, thick);
    }
  };
  if (shading === null) {
    bars(
      "key",
      summaries.map(({ head, received }) => ({ head, values: received })),
    );
  } else {
    const side = shading.place.side === "query" ? "key" : "query";
    bars(
      side,
      shading.stripes.map(({ head, weights }) => ({ head, values: weights })),
    );
  }
  context.fillStyle = theme.accent;
  const marked = shading === null ? pins : [...pins, shading.place];
  for (const { side, index } of marked) {
    context.fillRect(side === "query" ? 0 : middle, at(index, side) - 1, middle, 2);
  }
}
