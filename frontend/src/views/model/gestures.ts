/** Translates wheel, drag and pinch on the model view into camera changes. */

import { onCleanup } from "solid-js";
import { type Point, pointIn } from "../shared/pointer";

export interface GestureTargets {
  /** Zooms by `factor` about a point of the element. */
  readonly onZoom: (factor: number, x: number, y: number) => void;
  readonly onPan: (dx: number, dy: number) => void;
  /** Whether panning is possible. */
  readonly movable: () => boolean;
  readonly onDragging: (dragging: boolean) => void;
}

/** Zoom per wheel pixel. A pinch on a touchpad arrives as a wheel event with Ctrl, in smaller steps. */
const WHEEL = 0.0022;
const PINCH = 0.011;
const LINE_PIXELS = 30;
/** Pointer movements shorter than this count as a click. */
const STILL = 4;

/** Listens on an element. Returns a function that tells whether a click just ended a drag. */
export function followGestures(element: HTMLElement, targets: GestureTargets): () => boolean {
  const down = new Map<number, Point>();
  let dragged = false;
  const wheel = (event: WheelEvent): void => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? LINE_PIXELS : event.deltaMode === 2 ? 400 : 1;
    const { x, y } = pointIn(element, event);
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
      if (targets.movable()) targets.onPan(-event.deltaX * unit, 0);
      return;
    }
    const far = Math.max(-240, Math.min(240, event.deltaY * unit));
    targets.onZoom(Math.exp(-far * (event.ctrlKey ? PINCH : WHEEL)), x, y);
  };

  const press = (event: PointerEvent): void => {
    if (event.button !== 0) return;
    dragged = false;
    down.set(event.pointerId, pointIn(element, event));
  };

  const move = (event: PointerEvent): void => {
    const before = down.get(event.pointerId);
    if (before === undefined) return;
    const now = pointIn(element, event);
    if (down.size === 2) {
      const other = [...down].find(([id]) => id !== event.pointerId)?.[1] ?? before;
      const apart = (point: Point) => Math.max(10, Math.hypot(point.x - other.x, point.y - other.y));
      dragged = true;
      targets.onZoom(apart(now) / apart(before), (now.x + other.x) / 2, (now.y + other.y) / 2);
      targets.onPan((now.x - before.x) / 2, (now.y - before.y) / 2);
      down.set(event.pointerId, now);
      return;
    }
    if (!dragged) {
      if (Math.hypot(now.x - before.x, now.y - before.y) < STILL || !targets.movable()) return;
      dragged = true;
      element.setPointerCapture(event.pointerId);
      targets.onDragging(true);
    }
    targets.onPan(now.x - before.x, now.y - before.y);
    down.set(event.pointerId, now);
  };

  const release = (event: PointerEvent): void => {
    down.delete(event.pointerId);
    if (down.size === 0) targets.onDragging(false);
  };

  element.addEventListener("wheel", wheel, { passive: false });
  element.addEventListener("pointerdown", press);
  element.addEventListener("pointermove", move);
  element.addEventListener("pointerup", release);
  element.addEventListener("pointercancel", release);
  onCleanup(() => {
    element.removeEventListener("wheel", wheel);
    element.removeEventListener("pointerdown", press);
    element.removeEventListener("pointermove", move);
    element.removeEventListener("pointerup", release);
    element.removeEventListener("pointercancel", release);
  });
  return () => dragged;
}
