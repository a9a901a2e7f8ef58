/** Bundles lines that leave the window, since they run so close together that bundles look the same. Pure. */

import { amountOf } from "../../marks/density";
import type { LineScales, Lines } from "../../marks/lines";

export interface Bundle {
  readonly head: number;
  readonly y0: number;
  readonly y1: number;
  readonly amount: number;
  /** 1 for weights, and for differences above zero. */
  readonly sign: 1 | -1;
}

/** Bundles per doubling of the distance from the window. */
const PER_DOUBLING = 6;

/** Bundles lines of a head and a sign with similar ends. Lines with both ends in or near the window stay separate. */
export function bundleLines(lines: Lines, scales: LineScales, height: number): readonly Bundle[] {
  const found = new Map<number, { head: number; y0: number; y1: number; amount: number; sign: 1 | -1 }>();
  for (let at = 0; at < lines.count; at++) {
    const head = lines.head[at];
    const strand = scales.strand(head);
    const y0 = scales.queryY(lines.query[at]) + strand;
    const y1 = scales.keyY(lines.key[at]) + strand;
    const amount = amountOf(lines.weight[at], scales);
    const [farQuery, farKey] = [far(y0, height), far(y1, height)];
    if (farQuery !== 0 && farKey !== 0 && Math.sign(farQuery) === Math.sign(farKey)) continue;
    const sign = lines.weight[at] < 0 ? -1 : 1;
    const key =
      farQuery === 0 && farKey === 0
        ? -1 - at
        : (((2 * head + (sign < 0 ? 1 : 0)) * 256 + farQuery + 128) * 256 + farKey + 128) * 8192 +
          (farQuery === 0 ? lines.query[at] : lines.key[at]);
    const bundle = found.get(key);
    if (bundle === undefined) {
      found.set(key, { head, y0, y1, amount, sign });
      continue;
    }
    const total = bundle.amount + amount;
    bundle.y0 += ((y0 - bundle.y0) * amount) / total;
    bundle.y1 += ((y1 - bundle.y1) * amount) / total;
    bundle.amount = total;
  }
  return [...found.values()];
}

/** Distance outside the window in logarithmic steps: 0 within half a window, negative above it. */
function far(y: number, height: number): number {
  const beyond = y < 0 ? -y : y - height;
  if (beyond < height / 2) return 0;
  const step = Math.min(127, 1 + Math.floor(PER_DOUBLING * Math.log2((2 * beyond) / height)));
  return y < 0 ? -step : step;
}
