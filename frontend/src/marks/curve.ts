/** The S-curve of a connecting line, horizontal at both ends. Stroked and rasterized lines both use it. */

const STEPS = 512;
const SHARE = new Float32Array(STEPS + 1);

// A cubic Bézier with its control points halfway across: x(t) = 1.5·t(1−t) + t³, y(t) = 3t² − 2t³.
for (let step = 0, t = 0; step <= STEPS; step++) {
  const x = step / STEPS;
  for (let round = 0; round < 24; round++) {
    const slope = 1.5 - 3 * t + 3 * t * t;
    t -= (1.5 * t * (1 - t) + t ** 3 - x) / slope;
  }
  SHARE[step] = 3 * t * t - 2 * t ** 3;
}

/** The fraction of its height that a line has covered at fraction `x` of its width. */
export function rise(x: number): number {
  const at = Math.max(0, Math.min(1, x)) * STEPS;
  const below = Math.floor(at);
  const above = Math.min(STEPS, below + 1);
  return SHARE[below] + (SHARE[above] - SHARE[below]) * (at - below);
}
