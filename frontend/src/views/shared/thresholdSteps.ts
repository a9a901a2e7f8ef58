/** The steps of the threshold slider: 0, then roughly logarithmic steps from 0.001 to 0.9. */

export const THRESHOLD_STEPS: readonly number[] = [
  0,
  ...[0.001, 0.0015, 0.002, 0.003, 0.005, 0.007],
  ...[0.01, 0.015, 0.02, 0.03, 0.05, 0.07],
  ...[0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 0.9],
];

/** The step nearest to a threshold. */
export function nearestStep(threshold: number): number {
  let best = 0;
  THRESHOLD_STEPS.forEach((step, at) => {
    if (Math.abs(step - threshold) < Math.abs(THRESHOLD_STEPS[best] - threshold)) best = at;
  });
  return best;
}

/** A threshold as text, with at most four decimals. */
export function thresholdText(threshold: number): string {
  return String(Number(threshold.toFixed(4)));
}
