/** Draws the line that the page is about: outlined, with its own opacity and its weight beside it. */

import { LineList, type LineScales, strokeLines, traceLine } from "../../marks/lines";
import { NUMBER, numberSpot, OUTLINE } from "../../marks/markedLine";
import { pixelRatio } from "../shared/canvas";
import type { TokenLayout } from "../shared/tokenLayout";
import type { Edge } from "../shared/weights";
import { orient, type Theme } from "./canvasTheme";

export interface MarkedLine extends Edge {
  readonly weight: number;
  /** The number at the line. */
  readonly text: string;
}

export function paintMarkedLine(
  context: CanvasRenderingContext2D,
  { head, query, key, weight, text }: MarkedLine,
  scales: LineScales,
  layout: TokenLayout,
  theme: Theme,
): void {
  const { x0, x1 } = scales;
  const [y0, y1] = [scales.queryY(query) + scales.strand(head), scales.keyY(key) + scales.strand(head)];
  const width = scales.width(weight);
  context.lineCap = "butt";
  for (const [more, color] of [
    [OUTLINE.outer, theme.accent],
    [OUTLINE.inner, theme.panel],
  ] as const) {
    context.strokeStyle = color;
    context.lineWidth = width + more;
    traceLine(context, x0, y0, x1, y1);
    context.stroke();
  }
  const one = new LineList();
  one.add(head, query, key, weight);
  strokeLines(context, one, scales);
  const spot = numberSpot(y0, y1, (y) => y >= NUMBER.height && y <= layout.height - NUMBER.height);
  if (spot === null) return;
  const across = x0 + (x1 - x0) * spot.share;
  const turned = layout.cells !== undefined;
  const [x, y] = turned ? [spot.y, across] : [across, spot.y];
  const ratio = pixelRatio();
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  const wide = context.measureText(text).width + 2 * NUMBER.padding;
  context.fillStyle = theme.panel;
  context.strokeStyle = theme.accent;
  context.lineWidth = 1.3;
  context.beginPath();
  context.roundRect(x - wide / 2, y - NUMBER.height / 2, wide, NUMBER.height, NUMBER.height / 2);
  context.fill();
  context.stroke();
  context.fillStyle = theme.ink;
  context.textBaseline = "middle";
  context.textAlign = "center";
  context.fillText(text, x, y + 0.5);
  orient(context, turned, ratio);
}
