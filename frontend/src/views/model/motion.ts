/** Moves the camera: immediately with the pointer, animated with keys. The state is updated when it rests. */

import { createEffect, createSignal, on, onCleanup } from "solid-js";
import type { Camera, HeadPlace } from "../../state/state";
import { between, type Filling, restOf, withinBounds } from "./camera";
import type { Grid } from "./grid";

const GLIDE_MS = 170;
const REST_MS = 160;

export interface MotionProps {
  readonly grid: () => Grid;
  readonly filling: () => Filling;
  /** The camera in the state. */
  readonly stored: () => Camera | null;
  readonly onStore: (camera: Camera | null) => void;
}

export interface Motion {
  /** The current camera; null for all heads. */
  readonly camera: () => Camera | null;
  readonly moving: () => boolean;
  readonly jump: (camera: Camera | null) => void;
  /** Moves the camera. `framed` is its target head, which stays framed when the window is resized. */
  readonly glide: (camera: Camera | null, framed?: HeadPlace) => void;
  readonly framed: () => HeadPlace | null;
}

export function createMotion(props: MotionProps): Motion {
  const [camera, setCamera] = createSignal<Camera | null>(props.stored());
  const [moving, setMoving] = createSignal(false);
  let rest: ReturnType<typeof setTimeout> | undefined;
  let frame = 0;
  let stored = props.stored();
  let framed: HeadPlace | null = null;

  const settle = (): void => {
    setMoving(false);
    stored = camera();
    props.onStore(stored);
  };
  const moved = (): void => {
    setMoving(true);
    clearTimeout(rest);
    rest = setTimeout(settle, REST_MS);
  };
  const jump = (to: Camera | null): void => {
    framed = null;
    cancelAnimationFrame(frame);
    setCamera(to);
    moved();
  };
  const glide = (to: Camera | null, place?: HeadPlace): void => {
    cancelAnimationFrame(frame);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const from = camera() ?? restOf(props.grid());
    const end = to ?? restOf(props.grid());
    if (still) {
      jump(to);
      framed = place ?? null;
      return;
    }
    framed = place ?? null;
    const begun = performance.now();
    const step = (): void => {
      const share = Math.min(1, (performance.now() - begun) / GLIDE_MS);
      moved();
      if (share === 1) {
        setCamera(to);
        return;
      }
      setCamera(between(from, end, 1 - (1 - share) ** 3));
      frame = requestAnimationFrame(step);
    };
    step();
  };
  createEffect(
    on(props.stored, (now) => {
      if (now === stored) return;
      stored = now;
      framed = null;
      cancelAnimationFrame(frame);
      clearTimeout(rest);
      setMoving(false);
      setCamera(now);
    }),
  );
  onCleanup(() => {
    cancelAnimationFrame(frame);
    clearTimeout(rest);
  });
  const within = (): Camera | null => {
    const now = camera();
    return now === null ? null : withinBounds(props.grid(), props.filling(), now);
  };
  return { camera: within, moving, jump, glide, framed: () => framed };
}
