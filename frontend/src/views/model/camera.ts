/** The window onto the model view: from all heads to the weights of one. Pure; CSS pixels. */

import type { Camera } from "../../state/state";
import type { Grid } from "./grid";
import type { Slot } from "./placement";

/** How the matrix of a head is to stand in the window when it fills it. */
export interface Filling {
  /** Room for the names of tokens, from the left and upper edge of the window. */
  readonly left: number;
  readonly top: number;
  readonly queries: number;
  readonly keys: number;
}

/** The world in the window: thumbnail (0, 0) begins at `x`, `y`. */
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
/** Pixels of a cell at the farthest zoom. */
const LARGEST_CELL = 72;
/** How far a matrix may be stretched beyond square cells to fill the window. */
const STRETCH = 1.7;

/** The room that one head fills, and how large its thumbnail is then. */
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

/** How many times larger than all heads together one is that fills the window. */
export function fillingZoom(grid: Grid, filling: Filling): number {
  return Math.max(1.3, (fillOf(grid, filling).width + gapAt(grid, 4)) / grid.pitchX);
}

export function farthestZoom(grid: Grid, filling: Filling): number {
  const cell = fillOf(grid, filling).width / filling.keys;
  return fillingZoom(grid, filling) * Math.max(2, LARGEST_CELL / cell);
}

/** Gaps grow less than what is between them. */
function gapAt(grid: Grid, zoom: number): number {
  return grid.gap * Math.min(4, Math.sqrt(zoom));
}

function pitches(grid: Grid, filling: Filling, zoom: number): { readonly x: number; readonly y: number } {
  const full = fillingZoom(grid, filling);
  const { width, height } = fillOf(grid, filling);
  // On the way to one head its shape turns from the thumbnail's into that of its matrix.
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

/** A camera that stays over the heads; null for all of them. */
export function withinBounds(grid: Grid, filling: Filling, { x, y, zoom }: Camera): Camera | null {
  const nearest = Math.min(farthestZoom(grid, filling), zoom);
  if (nearest < 1.002) return null;
  const pitch = pitches(grid, filling, nearest);
  const at = middle(grid);
  // At all heads nothing can be moved; the nearer one is, the farther an edge may be from that of the window.
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

/** `factor` times nearer, what is under a point of the window staying there. */
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

/** Moved with the pointer by some pixels. */
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

/** The camera from which one head fills the window, or at another zoom the one that it is in the middle of. */
export function framing(grid: Grid, filling: Filling, slot: Slot, zoom?: number): Camera {
  const nearest = zoom ?? fillingZoom(grid, filling);
  const pitch = pitches(grid, filling, nearest);
  const { room } = fillOf(grid, filling);
  const size = { width: pitch.x - gapAt(grid, nearest), height: pitch.y - gapAt(grid, nearest) };
  const at = middle(grid);
  // Where its thumbnail is to begin: in the middle of the room across, at its upper end down.
  const x = room.x + Math.max(0, (room.width - size.width) / 2);
  const y = room.y + Math.max(0, Math.min(8, (room.height - size.height) / 2));
  return {
    x: slot.column + (at.x - x) / pitch.x,
    y: slot.row + (at.y - y) / pitch.y,
    zoom: nearest,
  };
}

/** `share` of the way from one camera to another; the point they share stays where it is. */
export function between(from: Camera, to: Camera, share: number): Camera {
  const zoom = from.zoom * (to.zoom / from.zoom) ** share;
  const straight = Math.abs(Math.log(to.zoom / from.zoom)) < 0.01;
  const part = straight ? share : (1 / from.zoom - 1 / zoom) / (1 / from.zoom - 1 / to.zoom);
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part, zoom };
}

/** The thumbnail of a slot in the window. */
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

/** Columns and rows under a point of the window. */
export function worldAt(
  view: View,
  px: number,
  py: number,
): { readonly column: number; readonly row: number } {
  return { column: (px - view.x) / view.pitchX, row: (py - view.y) / view.pitchY };
}
