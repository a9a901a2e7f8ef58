/** Keyboard control of the model view. */

import type { Camera, HeadPlace } from "../../state/state";
import {
  between,
  type Filling,
  farthestZoom,
  fillingZoom,
  framing,
  panned,
  rectOf,
  restOf,
  type View,
  zoomedAbout,
} from "./camera";
import type { Grid } from "./grid";
import type { CellPlace, HeadCell, MatrixFrame } from "./matrixFrame";
import type { Motion } from "./motion";
import type { Placement } from "./placement";

export interface GridKeyTargets {
  readonly grid: () => Grid;
  readonly filling: () => Filling;
  readonly view: () => View;
  readonly placement: () => Placement;
  readonly frame: () => MatrixFrame | null;
  readonly motion: Motion;
  /** The head with keyboard focus. */
  readonly active: () => HeadPlace;
  readonly cell: () => HeadCell | null;
  readonly go: (place: HeadPlace) => void;
  readonly onCell: (cell: HeadCell | null) => void;
  readonly onSelect: (place: HeadPlace) => void;
  readonly onAdd: (place: HeadPlace) => void;
  readonly onEdge: (cell: HeadCell) => void;
  readonly onEnter: () => void;
  /** Changes the head with keyboard focus, or the cell. */
  readonly onChange: (place: HeadPlace | HeadCell) => void;
}

const STEP = 1.6;
const ARROWS: Readonly<Record<string, CellPlace>> = {
  ArrowUp: { query: -1, key: 0 },
  ArrowDown: { query: 1, key: 0 },
  ArrowLeft: { query: 0, key: -1 },
  ArrowRight: { query: 0, key: 1 },
};

export function gridKeys(targets: GridKeyTargets): (event: KeyboardEvent) => void {
  const { grid, filling, view, placement, frame, motion, active } = targets;

  /** The head that a key leads to; null for other keys. */
  const destination = (key: string, command: boolean): HeadPlace | null => {
    const lines = placement().lines.filter((line) => line.length > 0);
    const now = active();
    const row = Math.max(
      0,
      lines.findIndex((line) => line.some((slot) => slot.layer === now.layer && slot.head === now.head)),
    );
    const column = Math.max(
      0,
      lines[row]?.findIndex((slot) => slot.layer === now.layer && slot.head === now.head) ?? 0,
    );
    const at = (line: number, place: number): HeadPlace | null => {
      const found = lines[Math.max(0, Math.min(lines.length - 1, line))] ?? [];
      return found[Math.max(0, Math.min(found.length - 1, place))] ?? null;
    };
    const last = Number.MAX_SAFE_INTEGER;
    const moves: Readonly<Record<string, () => HeadPlace | null>> = {
      ArrowRight: () => at(row, column + 1),
      ArrowLeft: () => at(row, column - 1),
      ArrowDown: () => at(row + 1, column),
      ArrowUp: () => at(row - 1, column),
      PageDown: () => at(row + 5, column),
      PageUp: () => at(row - 5, column),
      Home: () => (command ? at(0, 0) : at(row, 0)),
      End: () => (command ? at(last, last) : at(row, last)),
    };
    return moves[key]?.() ?? null;
  };

  /** Moves the camera so that a head is visible: centered if it fills the window, otherwise by the minimal distance. */
  const show = (place: HeadPlace): void => {
    const slot = placement().of(place);
    const camera = motion.camera();
    if (slot === null || camera === null) return;
    if (frame() !== null) {
      motion.glide(framing(grid(), filling(), slot, camera.zoom), place);
      return;
    }
    const rect = rectOf(grid(), view(), slot);
    const by = (from: number, length: number, least: number, most: number) =>
      from < least ? least - from : from + length > most ? Math.max(most - from - length, least - from) : 0;
    const dx = by(rect.x, rect.width, grid().left + 4, grid().width - 8);
    const dy = by(rect.y, rect.height, grid().top + 4, grid().height - 8);
    if (dx !== 0 || dy !== 0) motion.glide(panned(grid(), filling(), camera, dx, dy));
  };

  const nearer = (): void => {
    const slot = placement().of(active());
    const now: Camera = motion.camera() ?? restOf(grid());
    const full = fillingZoom(grid(), filling());
    if (slot === null) return;
    if (now.zoom * STEP >= full && now.zoom < full * 0.99)
      motion.glide(framing(grid(), filling(), slot), active());
    else if (now.zoom < full * 0.99)
      motion.glide(
        between(now, framing(grid(), filling(), slot), Math.log(STEP) / Math.log(full / now.zoom)),
      );
    else if (now.zoom < farthestZoom(grid(), filling())) motion.glide(about(STEP));
  };
  const farther = (): void => {
    const now = motion.camera();
    if (now === null) return;
    const full = fillingZoom(grid(), filling());
    if (now.zoom / STEP > full) motion.glide(about(1 / STEP));
    else if (now.zoom <= STEP) motion.glide(null);
    else motion.glide(between(now, restOf(grid()), Math.log(STEP) / Math.log(now.zoom)));
  };
  /** Zooms about the cell under the pointer, or else about the center. */
  const about = (factor: number): Camera | null => {
    const matrix = frame();
    const cell = targets.cell();
    const x =
      matrix !== null && cell !== null
        ? matrix.rect.x + (cell.key - matrix.part.keys[0] + 0.5) * matrix.cellWidth
        : (filling().left + grid().width) / 2;
    const y =
      matrix !== null && cell !== null
        ? matrix.rect.y + (cell.query - matrix.part.queries[0] + 0.5) * matrix.cellHeight
        : (filling().top + grid().height) / 2;
    return zoomedAbout(grid(), filling(), motion.camera(), factor, x, y);
  };

  /** Moves between cells within a matrix. */
  const stepCell = (matrix: MatrixFrame, { query, key }: CellPlace): void => {
    const { slot, part, rect, cellWidth, cellHeight } = matrix;
    const before = targets.cell() ?? { query: part.queries[1] - 1 - query, key: part.keys[0] - key };
    const within = (value: number, [first, end]: readonly [number, number]) =>
      Math.max(first, Math.min(end - 1, value));
    const next = {
      query: within(before.query + query, part.queries),
      key: within(before.key + key, part.keys),
    };
    targets.onCell({ layer: slot.layer, head: slot.head, ...next });
    const x = rect.x + (next.key - part.keys[0]) * cellWidth;
    const y = rect.y + (next.query - part.queries[0]) * cellHeight;
    const by = (from: number, length: number, least: number, most: number) =>
      from < least ? least - from : from + length > most ? most - from - length : 0;
    const dx = by(x, cellWidth, filling().left, grid().width);
    const dy = by(y, cellHeight, filling().top, grid().height);
    if (dx !== 0 || dy !== 0) motion.jump(panned(grid(), filling(), motion.camera(), dx, dy));
  };

  const handled = (event: KeyboardEvent): boolean => {
    const command = event.ctrlKey || event.metaKey;
    if (event.altKey || (command && event.key !== "Home" && event.key !== "End")) return false;
    const matrix = frame();
    const arrow = ARROWS[event.key];
    if (event.shiftKey && matrix !== null && arrow !== undefined) {
      stepCell(matrix, arrow);
      return true;
    }
    const place = destination(event.key, command);
    if (place !== null) {
      targets.go(place);
      show(place);
      return true;
    }
    switch (event.key) {
      case "+":
      case "=":
        nearer();
        return true;
      case "-":
      case "_":
        farther();
        return true;
      case "z": {
        const slot = placement().of(active());
        if (matrix !== null) motion.glide(null);
        else if (slot !== null) motion.glide(framing(grid(), filling(), slot), active());
        return true;
      }
      case "e":
        targets.onChange(targets.cell() ?? { layer: active().layer, head: active().head });
        return true;
      case "0":
      case "Escape":
        if (motion.camera() === null) return false;
        targets.onCell(null);
        motion.glide(null);
        return true;
      case " ":
      case "Enter": {
        const now = { layer: active().layer, head: active().head };
        const cell = targets.cell();
        targets.go(now);
        if (event.shiftKey) targets.onAdd(now);
        else if (event.key === " " && cell !== null) targets.onEdge(cell);
        else targets.onSelect(now);
        if (event.key === "Enter" && !event.shiftKey) targets.onEnter();
        return true;
      }
      default:
        return false;
    }
  };

  return (event) => {
    if (!handled(event)) return;
    event.preventDefault();
    event.stopPropagation();
  };
}
