/** The outline and the number of the line that the page is about. The line itself keeps its opacity. Pure. */

import { rise } from "./curve";

/** Widths in CSS pixels, added to that of the line: the outline, and the ground between outline and line. */
export const OUTLINE = { outer: 6, inner: 3.4 };

/** Size of the number, and of the box around it. */
export const NUMBER = { size: 12, height: 18, padding: 5 };

/** Shares of the way at which the number may be, the best ones first. */
const SPOTS = [0.5, 0.4, 0.6, 0.3, 0.7, 0.2, 0.8, 0.12, 0.88];

/** Where the number is along a line that rises from `y0` to `y1`: in the middle, or where `visible` allows; null if nowhere. */
export function numberSpot(
  y0: number,
  y1: number,
  visible: (y: number) => boolean,
): { readonly share: number; readonly y: number } | null {
  for (const share of SPOTS) {
    const y = y0 + (y1 - y0) * rise(share);
    if (visible(y)) return { share, y };
  }
  return null;
}
