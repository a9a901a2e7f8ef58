/** Opens something with a right click, or with a long press on a touch screen. */

/** How long a finger must rest, and how far it may move meanwhile. */
const PRESS_MS = 500;
const SLACK = 10;

/** The pointer, in CSS pixels of the window. */
export interface GesturePoint {
  readonly clientX: number;
  readonly clientY: number;
}

/**
 * Calls `open` on a right click without Shift, which keeps the browser's own menu, and on a long press; `open` tells whether
 * there was something to open. Returns a function that stops listening.
 */
export function onChangeGesture(
  element: HTMLElement,
  open: (at: GesturePoint, target: Element) => boolean,
): () => void {
  let pressed: { readonly x: number; readonly y: number; readonly timer: number } | null = null;
  let opened = false;
  const stop = new AbortController();
  const { signal } = stop;
  const release = (): void => {
    if (pressed !== null) clearTimeout(pressed.timer);
    pressed = null;
  };
  element.addEventListener(
    "contextmenu",
    (event) => {
      if (event.shiftKey) return;
      // A long press has opened it already; browsers then send this event too.
      if (opened || open(event, event.target as Element)) event.preventDefault();
    },
    { signal },
  );
  element.addEventListener(
    "pointerdown",
    (event) => {
      release();
      opened = false;
      if (event.pointerType !== "touch") return;
      const { clientX, clientY } = event;
      const target = event.composedPath()[0] as Element;
      const timer = window.setTimeout(() => {
        opened = open({ clientX, clientY }, target);
      }, PRESS_MS);
      pressed = { x: clientX, y: clientY, timer };
    },
    { signal },
  );
  element.addEventListener(
    "pointermove",
    (event) => {
      if (pressed !== null && Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > SLACK)
        release();
    },
    { signal },
  );
  for (const type of ["pointerup", "pointercancel", "pointerleave"] as const)
    element.addEventListener(type, release, { signal });
  // The click that ends a long press chooses nothing.
  element.addEventListener(
    "click",
    (event) => {
      if (!opened) return;
      opened = false;
      event.stopPropagation();
      event.preventDefault();
    },
    { signal, capture: true },
  );
  return () => {
    release();
    stop.abort();
  };
}
