/** Where a box stands that belongs to something on the page. */

export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Rectangle extends Size {
  readonly x: number;
  readonly y: number;
}

/** The gap between the box and what it belongs to, and the smallest one to the edge of the window, CSS pixels. */
const GAP = 8;
const EDGE = 8;

/** The corner of a box beside `at`, inside a window: to the right, else to the left, below or above, as there is room. */
export function placeBeside(
  at: Rectangle,
  box: Size,
  window: Size,
): { readonly x: number; readonly y: number } {
  const inside = (from: number, length: number, room: number): number =>
    Math.max(EDGE, Math.min(from, room - EDGE - length));
  const across = (x: number): number => inside(x, box.width, window.width);
  const down = (y: number): number => inside(y, box.height, window.height);
  const right = at.x + at.width + GAP;
  for (const x of [right, at.x - GAP - box.width]) if (across(x) === x) return { x, y: down(at.y) };
  for (const y of [at.y + at.height + GAP, at.y - GAP - box.height])
    if (down(y) === y) return { x: across(at.x), y };
  return { x: across(right), y: down(at.y) };
}
