/** The rows of a long table that are in sight, so that only those are rendered. All rows have the same height. */

import { type Accessor, createEffect, createMemo, createSignal, onCleanup } from "solid-js";

export interface VisibleRow {
  readonly index: number;
  /** Where the row begins, CSS pixels from the first one. */
  readonly start: number;
}

export interface RowWindow {
  readonly scroller: Accessor<HTMLElement | null>;
  readonly count: Accessor<number>;
  /** CSS pixels. */
  readonly height: number;
  /** Rows that are rendered beyond each edge. */
  readonly beyond: number;
}

/** The rows in sight. A row that stays in sight stays the same object. */
export function createVisibleRows({
  scroller,
  count,
  height,
  beyond,
}: RowWindow): Accessor<readonly VisibleRow[]> {
  const [top, setTop] = createSignal(0);
  const [room, setRoom] = createSignal(0);
  createEffect(() => {
    const box = scroller();
    if (box === null) return;
    const scrolled = (): void => void setTop(box.scrollTop);
    const sized = new ResizeObserver(() => {
      setRoom(box.clientHeight);
      scrolled();
    });
    sized.observe(box);
    box.addEventListener("scroll", scrolled, { passive: true });
    onCleanup(() => {
      sized.disconnect();
      box.removeEventListener("scroll", scrolled);
    });
  });
  const range = createMemo(() => rowsInSight(top(), room(), count(), height, beyond), undefined, {
    equals: (a, b) => a.first === b.first && a.end === b.end,
  });
  const known: VisibleRow[] = [];
  return createMemo(() => {
    const { first, end } = range();
    return Array.from({ length: end - first }, (_, at) => {
      const index = first + at;
      known[index] ??= { index, start: index * height };
      return known[index];
    });
  });
}

/** The rows of a table scrolled by `top` that has `room` pixels; the end is exclusive. Without room there are none. */
export function rowsInSight(
  top: number,
  room: number,
  count: number,
  height: number,
  beyond: number,
): { readonly first: number; readonly end: number } {
  if (room <= 0) return { first: 0, end: 0 };
  const end = Math.min(count, Math.ceil((top + room) / height) + beyond);
  return { first: Math.max(0, Math.min(end, Math.floor(top / height) - beyond)), end };
}
