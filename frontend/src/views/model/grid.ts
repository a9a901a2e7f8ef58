/** Where the thumbnails of the model view stand when all are in sight. Pure; CSS pixels. */

export interface Grid {
  /** What is laid out, in thumbnails. */
  readonly columns: number;
  readonly rows: number;
  /** The window, its gutters included. */
  readonly width: number;
  readonly height: number;
  /** Room for the layers' numbers at the left and the heads' at the top. */
  readonly left: number;
  readonly top: number;
  readonly pitchX: number;
  readonly pitchY: number;
  /** The part of its pitch that a thumbnail leaves free at its right and at its foot. */
  readonly gap: number;
}

/** How a thumbnail may be shaped: lines may be tall, a map is nearly a square. */
const SHAPE = { lines: { wide: 2.6, tall: 2.6 }, map: { wide: 1.7, tall: 1.4 } };
const LEAST = 4;
const MOST = 170;
const LEFT = 30;
const TOP = 20;
const END = 8;

export interface GridWish {
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
  readonly look: "lines" | "map";
}

/** All of it always fits: where thumbnails become too small to read, one zooms in. */
export function gridOf({ width, height, columns, rows, look }: GridWish): Grid {
  const { wide, tall } = SHAPE[look];
  // One head alone takes what there is.
  const most = columns === 1 && rows === 1 ? 4 * MOST : MOST;
  let pitchX = clamp((width - LEFT - END) / Math.max(1, columns), LEAST, most);
  let pitchY = Math.max(LEAST, (height - TOP - END) / Math.max(1, rows));
  pitchX = Math.min(pitchX, Math.max(LEAST, pitchY * wide));
  pitchY = Math.min(pitchY, Math.max(LEAST, pitchX * tall));
  const least = Math.min(pitchX, pitchY);
  const gap = least > 26 ? 5 : least > 16 ? 3 : least > 10 ? 2 : 1;
  return { columns, rows, width, height, left: LEFT, top: TOP, pitchX, pitchY, gap };
}

/** Room for the thumbnails in a window. */
export function roomOf(width: number, height: number): { readonly width: number; readonly height: number } {
  return { width: Math.max(1, width - LEFT - END), height: Math.max(1, height - TOP - END) };
}

/** How wide the model view is where nobody said otherwise: wide enough for its heads. */
export function comfortableWidth(heads: number): number {
  return Math.round(clamp(LEFT + END + 2 + heads * 32.5, 352, 470));
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(Math.max(least, most), value));
}
