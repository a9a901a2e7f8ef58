/**
 * Differences of attention weights as bytes that sort by magnitude: 2·round(127·√|d|), plus 1 if the difference is positive.
 * The largest of several codes is that of the largest |d|, so pyramids and heat maps of weights also work on differences.
 */

/** Steps of magnitude on each side of 0. */
const STEPS = 127;

/** The code of a difference from −1 to 1. */
export function codeOf(difference: number): number {
  const steps = Math.round(STEPS * Math.sqrt(Math.min(1, Math.abs(difference))));
  return steps === 0 ? 0 : 2 * steps + (difference > 0 ? 1 : 0);
}

/** The difference of a code. */
export function differenceOf(code: number): number {
  const size = ((code >> 1) / STEPS) ** 2;
  return (code & 1) === 1 ? size : -size || 0;
}

/** The codes of signed bytes, sign·round(127·√|d|), as a host sends them. */
export function codesOf(bytes: Int8Array): Uint8Array {
  const codes = new Uint8Array(bytes.length);
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    codes[at] = byte > 0 ? 2 * byte + 1 : 2 * Math.min(STEPS, -byte);
  }
  return codes;
}
