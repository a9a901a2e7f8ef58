/** How the panels share the width of the page. Pure; CSS pixels. */

export interface Widths {
  readonly model: number;
  readonly head: number;
}

/** Below this the panels are tabs. */
export const TABS_BELOW = 900;
/** Width of a divider, the gap between two panels. */
export const DIVIDER = 10;
export const LEAST = { model: 160, head: 250, side: 240 };

/** Widths of the first two panels of a row that is `total` wide; the third takes the rest. */
export function shareWidth(total: number, wished: Widths): Widths {
  const room = total - 2 * DIVIDER - LEAST.side;
  const model = clamp(wished.model, LEAST.model, room - LEAST.head);
  return { model, head: clamp(wished.head, LEAST.head, room - model) };
}

/** The widths where nobody said otherwise: the model view as wide as its heads ask, the head view next to it. */
export function usualWidths(total: number, modelWish: number): Widths {
  const model = Math.min(modelWish, Math.round(total * 0.32));
  return { model, head: clamp(Math.round(total * 0.28), 330, 400) };
}

function clamp(value: number, least: number, most: number): number {
  return Math.round(Math.max(least, Math.min(most, value)));
}
