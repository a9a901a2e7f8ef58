/** Canvases in device pixels. */

import { createSignal } from "solid-js";

/** Screens with more device pixels per CSS pixel than this get no finer images, which would only cost time. */
const FINEST = 2;

let followed: (() => number) | null = null;

/** Device pixels per CSS pixel of a canvas: a signal that follows the browser's zoom and the screen that the window is on. */
export function pixelRatio(): number {
  followed ??= followScreen();
  return followed();
}

function followScreen(): () => number {
  const now = () => Math.min(FINEST, globalThis.devicePixelRatio || 1);
  const [ratio, setRatio] = createSignal(now());
  const follow = (): void => {
    setRatio(now());
    // A query matches one ratio only, so each change needs a new one.
    const query = matchMedia(`(resolution: ${globalThis.devicePixelRatio}dppx)`);
    query.addEventListener("change", follow, { once: true });
  };
  follow();
  // Zooming also resizes the window, and some browsers report only that.
  addEventListener("resize", () => setRatio(now()));
  return ratio;
}

/** The 2D context of a canvas. */
export function context2d(canvas: HTMLCanvasElement): CanvasRenderingContext2D {
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("This browser does not support 2D canvas.");
  return context;
}

/**
 * Gives a canvas the size of a box in device pixels, and the style that shows each of them as one pixel of the screen: a
 * canvas has no other size than its own, however its box is positioned. Returns whether its pixels changed, which clears it.
 */
export function resize(canvas: HTMLCanvasElement, width: number, height: number): boolean {
  const ratio = pixelRatio();
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  canvas.style.width = `${w / ratio}px`;
  canvas.style.height = `${h / ratio}px`;
  if (canvas.width === w && canvas.height === h) return false;
  canvas.width = w;
  canvas.height = h;
  return true;
}

/** Resizes a canvas and returns its context, cleared and scaled to CSS pixels. */
export function prepare(canvas: HTMLCanvasElement, width: number, height: number): CanvasRenderingContext2D {
  resize(canvas, width, height);
  const ratio = pixelRatio();
  const context = context2d(canvas);
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, canvas.width / ratio, canvas.height / ratio);
  return context;
}
