/** Where the pointer is. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The pointer relative to an element's upper left corner, in the element's own CSS pixels: the host may show it scaled. */
export function pointIn(element: HTMLElement, event: Pick<MouseEvent, "clientX" | "clientY">): Point {
  const box = element.getBoundingClientRect();
  const across = box.width > 0 ? element.offsetWidth / box.width : 1;
  const down = box.height > 0 ? element.offsetHeight / box.height : 1;
  return { x: (event.clientX - box.left) * across, y: (event.clientY - box.top) * down };
}
