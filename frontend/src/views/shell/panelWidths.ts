/** Divides the width of the page among the panels, in CSS pixels. */

export interface Widths {
  readonly model: number;
  readonly head: number;
}

/** Below this width the panels become tabs. */
export const TABS_BELOW = 900;
/** Width of a divider between two panels. */
export const DIVIDER = 10;
export const LEAST = { model: 160, head: 250, side: 240 };

/** Widths of the first two panels in a row that is `total` wide; the third takes the rest. */
export function shareWidth(total: number, wished: Widths): Widths {
  const room = total - 2 * DIVIDER - LEAST.side;
  const model = clamp(wished.model, LEAST.model, room - LEAST.head);
  return { model, head: clamp(wished.head, LEAST.head, room - model) };
}

/** Default widths: the model view as wide as its heads need, up to 32% of the row; the head view 28%, from 330 to 400. */
export function usualWidths(total: number, modelWish: number): Widths {
  const model = Math.min(modelWish, Math.round(total * 0.32));
  return { model, head: clamp(Math.round(total * 0.28), 330, 400) };
}

function clamp(value: number, least: number, most: number): number {
  return Math.round(Math.max(least, Math.min(most, value)));
}
