/** Where the thumbnails of the model view stand. Pure; CSS pixels. */

export interface Grid {
  readonly layers: number;
  readonly heads: number;
  /** The window, its gutters included. */
  readonly width: number;
  readonly height: number;
  /** Room for the layers' numbers at the left and the heads' at the top. */
  readonly left: number;
  readonly top: number;
  readonly pitchX: number;
  readonly pitchY: number;
  /** Size of a thumbnail; the rest of its pitch is the gap after it. */
  readonly cellWidth: number;
  readonly cellHeight: number;
  /** Every how manieth row and column is numbered. */
  readonly rowStep: number;
  readonly columnStep: number;
  /** Size of everything, gutters included. */
  readonly extentX: number;
  readonly extentY: number;
}

/** How a thumbnail may be shaped: lines may be tall, a map is nearly a square. */
const SHAPE = { lines: { wide: 2.6, tall: 2.2 }, map: { wide: 1.6, tall: 1.25 } };
const LEAST = { x: 12, y: 20 };
const MOST = 150;
const LEFT = 30;
const TOP = 20;
const END = 8;

export interface GridWish {
  readonly width: number;
  readonly height: number;
  readonly layers: number;
  readonly heads: number;
  readonly look: "lines" | "map";
  /** Whether all rows should be seen at once, or the thumbnails be as large as the width allows. */
  readonly fit: "height" | "width";
}

export function gridOf({ width, height, layers, heads, look, fit }: GridWish): Grid {
  const { wide, tall } = SHAPE[look];
  const across = (width - LEFT - END) / Math.max(1, heads);
  const down = (height - TOP - END) / Math.max(1, layers);
  let pitchX = clamp(across, LEAST.x, MOST);
  let pitchY = Math.max(LEAST.y, down, fit === "width" ? pitchX * 0.75 : 0);
  pitchX = Math.min(pitchX, Math.max(LEAST.x, pitchY * wide));
  pitchY = Math.min(pitchY, Math.max(LEAST.y, pitchX * tall));
  const gap = Math.min(pitchX, pitchY) > 26 ? 5 : Math.min(pitchX, pitchY) > 16 ? 3 : 2;
  return {
    layers,
    heads,
    width,
    height,
    left: LEFT,
    top: TOP,
    pitchX,
    pitchY,
    cellWidth: pitchX - gap,
    cellHeight: pitchY - gap,
    rowStep: step(pitchY, 14),
    columnStep: step(pitchX, heads > 10 ? 18 : 10),
    extentX: LEFT + heads * pitchX + END,
    extentY: TOP + layers * pitchY + END,
  };
}

/** How wide the model view is where nobody said otherwise: wide enough for its heads. */
export function comfortableWidth(heads: number): number {
  return Math.round(clamp(LEFT + END + 2 + heads * 32.5, 260, 470));
}

export interface Scroll {
  readonly x: number;
  readonly y: number;
}

/** Layer and head under a point of the window. */
export function placeAt(
  grid: Grid,
  scroll: Scroll,
  x: number,
  y: number,
): { readonly layer: number; readonly head: number } | null {
  if (x < grid.left || y < grid.top) return null;
  const head = Math.floor((x - grid.left + scroll.x) / grid.pitchX);
  const layer = Math.floor((y - grid.top + scroll.y) / grid.pitchY);
  return head < grid.heads && layer < grid.layers ? { layer, head } : null;
}

/** The scroll position nearest to `scroll` at which a thumbnail is in the window. */
export function revealing(grid: Grid, scroll: Scroll, layer: number, head: number): Scroll {
  const along = (now: number, at: number, pitch: number, room: number) =>
    clamp(now, (at + 1) * pitch - room, at * pitch);
  return {
    x: along(scroll.x, head, grid.pitchX, grid.width - grid.left),
    y: along(scroll.y, layer, grid.pitchY, grid.height - grid.top),
  };
}

/** The rows and columns that touch the window: first and one after the last. */
export function inWindow(
  grid: Grid,
  scroll: Scroll,
): { readonly layers: readonly [number, number]; readonly heads: readonly [number, number] } {
  const span = (from: number, room: number, pitch: number, count: number) =>
    [clamp(Math.floor(from / pitch), 0, count), clamp(Math.ceil((from + room) / pitch), 0, count)] as const;
  return {
    layers: span(scroll.y, grid.height - grid.top, grid.pitchY, grid.layers),
    heads: span(scroll.x, grid.width - grid.left, grid.pitchX, grid.heads),
  };
}

function step(pitch: number, room: number): number {
  return [1, 2, 5, 10, 20].find((each) => each * pitch >= room) ?? 50;
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(Math.max(least, most), value));
}
