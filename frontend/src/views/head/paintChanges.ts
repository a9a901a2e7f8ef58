/** Marks of the lines that edits cut or set. */

import { type LineScales, traceLine } from "../../marks/lines";
import type { LineMark } from "../../state/editMarks";
import { pixelRatio } from "../shared/canvas";
import type { TokenLayout } from "../shared/tokenLayout";
import { orient, type Theme } from "./canvasTheme";

const GHOST_DASH = [2, 4];
const DOT = 3.5;
const CROSS = 3.5;

/** A cut line stays as a thin dashed ghost with a cross at its end; a set line ends in a dot, with its weight if `numbered`. */
export function paintChanges(
  context: CanvasRenderingContext2D,
  marks: readonly LineMark[],
  scales: LineScales,
  layout: TokenLayout,
  theme: Theme,
  { numbered }: { readonly numbered: boolean },
): void {
  const turned = layout.cells !== undefined;
  const { x0, x1 } = scales;
  for (const { head, query, key, weight } of marks) {
    const [y0, y1] = [scales.queryY(query) + scales.strand(head), scales.keyY(key) + scales.strand(head)];
    if (Math.max(y0, y1) < 0 || Math.min(y0, y1) > layout.height) continue;
    if (weight === null) {
      context.strokeStyle = theme.quiet;
      context.lineWidth = 1;
      context.setLineDash(GHOST_DASH);
      traceLine(context, x0, y0, x1, y1);
      context.stroke();
      context.setLineDash([]);
      context.strokeStyle = theme.changed;
      context.lineWidth = 1.8;
      context.beginPath();
      for (const way of [1, -1]) {
        context.moveTo(x1 - CROSS, y1 - way * CROSS);
        context.lineTo(x1 + CROSS, y1 + way * CROSS);
      }
      context.stroke();
      continue;
    }
    context.fillStyle = theme.changed;
    context.beginPath();
    context.arc(x1, y1, DOT, 0, 2 * Math.PI);
    context.fill();
    if (!numbered) continue;
    const ratio = pixelRatio();
    const [x, y] = turned ? [y1, x1 - 14] : [x1 - 8, y1];
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.textBaseline = "middle";
    context.textAlign = turned ? "center" : "right";
    context.strokeStyle = theme.panel;
    context.lineWidth = 4;
    context.lineJoin = "round";
    const text = weight >= 0.995 ? "1.0" : weight.toFixed(2).replace(/^0/, "");
    context.strokeText(text, x, y);
    context.fillStyle = theme.ink;
    context.fillText(text, x, y);
    orient(context, turned, ratio);
  }
}
