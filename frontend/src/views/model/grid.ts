/** The layout of the thumbnails when all are visible. Pure; in CSS pixels. */

export interface Grid {
  /** Size of the grid, in thumbnails. */
  readonly columns: number;
  readonly rows: number;
  /** Size of the window, including gutters. */
  readonly width: number;
  readonly height: number;
  /** Gutters for layer numbers on the left and head numbers at the top. */
  readonly left: number;
  readonly top: number;
  readonly pitchX: number;
  readonly pitchY: number;
  /** The gap to the right of and below a thumbnail, as a share of its pitch. */
  readonly gap: number;
}

/** Allowed aspect ratios: lines may be tall, maps are nearly square. */
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

/** The grid always fits the window. If thumbnails become too small to read, users can zoom in. */
export function gridOf({ width, height, columns, rows, look }: GridWish): Grid {
  const { wide, tall } = SHAPE[look];
  // A single head takes all the space.
  const most = columns === 1 && rows === 1 ? 4 * MOST : MOST;
  let pitchX = clamp((width - LEFT - END) / Math.max(1, columns), LEAST, most);
  let pitchY = Math.max(LEAST, (height - TOP - END) / Math.max(1, rows));
  pitchX = Math.min(pitchX, Math.max(LEAST, pitchY * wide));
  pitchY = Math.min(pitchY, Math.max(LEAST, pitchX * tall));
  const least = Math.min(pitchX, pitchY);
  const gap = least > 26 ? 5 : least > 16 ? 3 : least > 10 ? 2 : 1;
  return { columns, rows, width, height, left: LEFT, top: TOP, pitchX, pitchY, gap };
}

/** The space for thumbnails in a window. */
export function roomOf(width: number, height: number): { readonly width: number; readonly height: number } {
  return { width: Math.max(1, width - LEFT - END), height: Math.max(1, height - TOP - END) };
}

/** The default width of the model view: wide enough for its heads. */
export function comfortableWidth(heads: number): number {
  return Math.round(clamp(LEFT + END + 2 + heads * 32.5, 352, 470));
}

function clamp(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(Math.max(least, most), value));
}
