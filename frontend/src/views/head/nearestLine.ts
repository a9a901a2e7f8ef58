import { rise } from "../../marks/curve";
import type { Lines } from "../../marks/lines";
import { opacityOf, type Painting, scaleOf, scalesOf } from "../shared/lineScales";
import type { Edge } from "../shared/weights";

/** Maximum distance at which the pointer hits a line, in CSS pixels. */
const TOLERANCE = 6;

/** The line at a point: the most opaque one within a few pixels, or null. Pure. */
export function nearestLine(lines: Lines, now: Painting, across: number, along: number): Edge | null {
  const { layout } = now;
  const scale = scaleOf(now);
  const scales = scalesOf(now);
  const share = rise((across - layout.lineX0) / (layout.lineX1 - layout.lineX0));
  let best = -1;
  let bestValue = 0.02;
  for (let at = 0; at < lines.count; at++) {
    const strand = scales.strand(lines.head[at]);
    const from = scales.queryY(lines.query[at]) + strand;
    const to = scales.keyY(lines.key[at]) + strand;
    const away = Math.abs(from + (to - from) * share - along);
    if (away > TOLERANCE) continue;
    const value = opacityOf(lines.weight[at], scale) * (1 - away / (TOLERANCE + 2));
    if (value > bestValue) {
      bestValue = value;
      best = at;
    }
  }
  return best < 0 ? null : { head: lines.head[best], query: lines.query[best], key: lines.key[best] };
}
