/** Axes of small charts. Pure. */

/** Round numbers: 1, 2, 2.5 or 5 times a power of ten. */
const STEPS = [1, 2, 2.5, 5, 10] as const;

export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly ticks: readonly number[];
}

/** An axis that holds all values, with about `count` round ticks. */
export function axisOf(values: readonly number[], count = 5): Axis {
  const known = values.filter(Number.isFinite);
  const [least, most] = known.length === 0 ? [0, 1] : [Math.min(...known), Math.max(...known)];
  const span = most > least ? most - least : Math.abs(most) || 1;
  const step = stepOf(span / count);
  const from = Math.floor(least / step + 1e-9) * step;
  const to = Math.max(Math.ceil(most / step - 1e-9) * step, from + step);
  return { from: rounded(from), to: rounded(to), ticks: ticksOf(from, to, step) };
}

/** An axis of probabilities from 0: to 1, or closer if all are small. */
export function probabilityAxis(shares: readonly number[]): Axis {
  const most = Math.max(0.04, ...shares.filter(Number.isFinite));
  if (most > 0.5) return { from: 0, to: 1, ticks: [0, 0.25, 0.5, 0.75, 1] };
  const step = stepOf(most / 4);
  const to = Math.ceil(most / step - 1e-9) * step;
  return { from: 0, to: rounded(to), ticks: ticksOf(0, to, step) };
}

/** The place of a value on an axis, from 0 to 100. */
export function placeOn({ from, to }: Axis, value: number): number {
  return Math.max(0, Math.min(100, (100 * (value - from)) / (to - from)));
}

/** A tick in as few characters as possible: `.25`, `1`, `−2`. */
export function tickText(tick: number): string {
  return String(tick)
    .replace(/^(-?)0\./, "$1.")
    .replace("-", "−");
}

function stepOf(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  return (STEPS.find((one) => one * power >= rough * (1 - 1e-9)) ?? 10) * power;
}

function ticksOf(from: number, to: number, step: number): readonly number[] {
  const count = Math.round((to - from) / step);
  return Array.from({ length: count + 1 }, (_, at) => rounded(from + at * step));
}

/** Without the noise of adding decimals. */
function rounded(value: number): number {
  return Number(value.toPrecision(12));
}
