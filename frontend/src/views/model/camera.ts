/** The camera of the model view, which zooms from all heads to the weights of one. Pure; in CSS pixels. */

import type { Camera } from "../../state/state";
import type { Grid } from "./grid";
import type { Slot } from "./placement";

/** The layout of a head's matrix when it fills the window. */
export interface Filling {
  /** Margins for token names at the left and the top of the window. */
  readonly left: number;
  readonly top: number;
  readonly queries: number;
  readonly keys: number;
}

/** The visible part of the grid: thumbnail (0, 0) starts at `x`, `y`. */
export interface View {
  readonly zoom: number;
  readonly pitchX: number;
  readonly pitchY: number;
  readonly x: number;
  readonly y: number;
}

export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

const END = 8;
/** Size of a cell at maximum zoom, in pixels. */
const LARGEST_CELL = 72;
/** How far cells may deviate from squares so that a matrix fills the window. */
const STRETCH = 1.7;

/** The area that a single head fills, and the size of its thumbnail then. */
function fillOf(
  grid: Grid,
  filling: Filling,
): { readonly room: Rect; readonly width: number; readonly height: number } {
  const room = {
    x: filling.left,
    y: filling.top,
    width: Math.max(40, grid.width - filling.left - END),
    height: Math.max(40, grid.height - filling.top - END),
  };
  const unit = Math.min(room.width / filling.keys, room.height / filling.queries);
  return {
    room,
    width: Math.min(room.width, STRETCH * unit * filling.keys),
    height: Math.min(room.height, STRETCH * unit * filling.queries),
  };
}

/** The zoom at which one head fills the window, relative to all heads. */
export function fillingZoom(grid: Grid, filling: Filling): number {
  return Math.max(1.3, (fillOf(grid, filling).width + gapAt(grid, 4)) / grid.pitchX);
}

export function farthestZoom(grid: Grid, filling: Filling): number {
  const cell = fillOf(grid, filling).width / filling.keys;
  return fillingZoom(grid, filling) * Math.max(2, LARGEST_CELL / cell);
}

/** Gaps grow more slowly than thumbnails. */
function gapAt(grid: Grid, zoom: number): number {
  return grid.gap * Math.min(4, Math.sqrt(zoom));
}

function pitches(grid: Grid, filling: Filling, zoom: number): { readonly x: number; readonly y: number } {
  const full = fillingZoom(grid, filling);
  const { width, height } = fillOf(grid, filling);
  // While zooming in, the aspect ratio changes from that of the thumbnail to that of the matrix.
  const turned = {
    x: (width + gapAt(grid, 4)) / (full * grid.pitchX),
    y: (height + gapAt(grid, 4)) / (full * grid.pitchY),
  };
  const way = Math.max(0, Math.min(1, Math.log(zoom) / Math.log(full)));
  return {
    x: grid.pitchX * zoom * turned.x ** way,
    y: grid.pitchY * zoom * turned.y ** way,
  };
}

function middle(grid: Grid): { readonly x: number; readonly y: number } {
  return { x: (grid.left + grid.width) / 2, y: (grid.top + grid.height) / 2 };
}

/** The camera that shows all heads. */
export function restOf(grid: Grid): Camera {
  const at = middle(grid);
  return { x: (at.x - grid.left) / grid.pitchX, y: (at.y - grid.top) / grid.pitchY, zoom: 1 };
}

export function viewOf(grid: Grid, filling: Filling, camera: Camera | null): View {
  const { x, y, zoom } = camera ?? restOf(grid);
  const pitch = pitches(grid, filling, zoom);
  const at = middle(grid);
  return { zoom, pitchX: pitch.x, pitchY: pitch.y, x: at.x - x * pitch.x, y: at.y - y * pitch.y };
}

/** Clamps a camera to the heads; null for all of them. */
export function withinBounds(grid: Grid, filling: Filling, { x, y, zoom }: Camera): Camera | null {
  const nearest = Math.min(farthestZoom(grid, filling), zoom);
  if (nearest < 1.002) return null;
  const pitch = pitches(grid, filling, nearest);
  const at = middle(grid);
  // With all heads visible, panning is impossible. The closer the zoom, the farther an edge may be from the window's edge.
  const slack = Math.min(1, Math.log(nearest) / Math.log(fillingZoom(grid, filling)));
  const along = (value: number, half: number, pitchOf: number, count: number): number => {
    const least = (half * (1 - slack)) / pitchOf;
    return Math.max(least, Math.min(Math.max(least, count - least), value));
  };
  return {
    x: along(x, at.x - grid.left, pitch.x, grid.columns),
    y: along(y, at.y - grid.top, pitch.y, grid.rows),
    zoom: nearest,
  };
}

/** Zooms by `factor` about a fixed point of the window. */
export function zoomedAbout(
  grid: Grid,
  filling: Filling,
  camera: Camera | null,
  factor: number,
  px: number,
  py: number,
): Camera | null {
  const before = viewOf(grid, filling, camera);
  const zoom = Math.min(farthestZoom(grid, filling), before.zoom * factor);
  const pitch = pitches(grid, filling, Math.max(1, zoom));
  const at = middle(grid);
  const x = (px - before.x) / before.pitchX - (px - at.x) / pitch.x;
  const y = (py - before.y) / before.pitchY - (py - at.y) / pitch.y;
  return withinBounds(grid, filling, { x, y, zoom });
}

/** Pans by some pixels. */
export function panned(
  grid: Grid,
  filling: Filling,
  camera: Camera | null,
  dx: number,
  dy: number,
): Camera | null {
  const { pitchX, pitchY } = viewOf(grid, filling, camera);
  const { x, y, zoom } = camera ?? restOf(grid);
  return withinBounds(grid, filling, { x: x - dx / pitchX, y: y - dy / pitchY, zoom });
}

/** The camera that fills the window with one head, or centers it at another zoom. */
export function framing(grid: Grid, filling: Filling, slot: Slot, zoom?: number): Camera {
  const nearest = zoom ?? fillingZoom(grid, filling);
  const pitch = pitches(grid, filling, nearest);
  const { room } = fillOf(grid, filling);
  const size = { width: pitch.x - gapAt(grid, nearest), height: pitch.y - gapAt(grid, nearest) };
  const at = middle(grid);
  // The thumbnail is centered horizontally and starts at the top of the available area.
  const x = room.x + Math.max(0, (room.width - size.width) / 2);
  const y = room.y + Math.max(0, Math.min(8, (room.height - size.height) / 2));
  return {
    x: slot.column + (at.x - x) / pitch.x,
    y: slot.row + (at.y - y) / pitch.y,
    zoom: nearest,
  };
}

/** Interpolates between two cameras; the point that both show at the same place stays fixed. */
export function between(from: Camera, to: Camera, share: number): Camera {
  const zoom = from.zoom * (to.zoom / from.zoom) ** share;
  const straight = Math.abs(Math.log(to.zoom / from.zoom)) < 0.01;
  const part = straight ? share : (1 / from.zoom - 1 / zoom) / (1 / from.zoom - 1 / to.zoom);
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part, zoom };
}

/** The rectangle of a slot's thumbnail in the window. */
export function rectOf(
  grid: Grid,
  view: View,
  { column, row }: { readonly column: number; readonly row: number },
): Rect {
  const gap = gapAt(grid, view.zoom);
  return {
    x: view.x + column * view.pitchX,
    y: view.y + row * view.pitchY,
    width: Math.max(1, view.pitchX - gap),
    height: Math.max(1, view.pitchY - gap),
  };
}

/** The column and row under a point of the window. */
export function worldAt(
  view: View,
  px: number,
  py: number,
): { readonly column: number; readonly row: number } {
  return { column: (px - view.x) / view.pitchX, row: (py - view.y) / view.pitchY };
}
