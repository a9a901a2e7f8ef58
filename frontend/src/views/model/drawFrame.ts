/** Draws one frame of the model view: thumbnails and overlay. */

import type { HeadPlace } from "../../state/state";
import { pixelRatio } from "../shared/canvas";
import type { Rect } from "./camera";
import { paintCells } from "./cells";
import type { Closeness } from "./details";
import type { GridLayout } from "./gridLayout";
import type { ModelGridProps } from "./gridProps";
import type { HeadCell } from "./matrixFrame";
import { overlayContext, paintOverlay } from "./overlay";
import type { GridPainter, Tint } from "./painter";
import { largestWeight } from "./thumbnailStyle";

/** If a frame takes longer than this, in milliseconds, the last image is stretched while the camera moves. */
const DEAR = 11;
/** The number of visible heads up to which frames are always redrawn. */
const MANY = 40;

const untinted: Tint = () => null;

export interface Canvases {
  readonly stage: HTMLElement;
  readonly painter: GridPainter;
  readonly overlay: HTMLCanvasElement;
}

export interface Pointer {
  readonly hovered: HeadPlace | null;
  readonly focused: HeadPlace | null;
  readonly cell: HeadCell | null;
  readonly within: (place: HeadPlace) => boolean;
}

export function drawFrame(
  canvases: Canvases,
  props: ModelGridProps,
  layout: GridLayout,
  near: Closeness,
  pointed: Pointer,
): void {
  const { layers, rules, palette, scale, dark, version } = props;
  const begun = performance.now();
  const [grid, view, matrix] = [layout.grid(), layout.view(), layout.frame()];
  const moving = layout.motion.moving();
  const content = {
    ...{ layers, rules, palette, scale, dark, version, within: pointed.within, grid },
    look: matrix === null ? props.look : "map",
    tint: matrix === null ? props.tint : untinted,
    tintSigned: props.tintSigned,
    differenceFull: props.differenceFull,
    placement: layout.placement(),
    ratio: pixelRatio(),
  } as const;
  const seen = (grid.width / view.pitchX) * (grid.height / view.pitchY);
  const { painter } = canvases;
  if (moving && painter.cost > DEAR && seen > MANY) painter.stretch(grid, view);
  else {
    const all = layout.motion.camera() === null;
    painter.paint(content, view, all ? null : (place) => props.matrix(near, place));
  }
  drawOver(canvases, props, layout, pointed);
  const name = moving ? "attnscope zoom" : "attnscope thumbnails";
  performance.measure(name, { start: begun, detail: layers.size });
}

function drawOver(
  { stage, overlay }: Canvases,
  props: ModelGridProps,
  layout: GridLayout,
  { hovered, focused, cell }: Pointer,
): void {
  const [grid, view, matrix, filling] = [layout.grid(), layout.view(), layout.frame(), layout.filling()];
  const style = getComputedStyle(stage);
  const inks = {
    ink: style.getPropertyValue("--ink"),
    quiet: style.getPropertyValue("--ink2"),
    accent: style.getPropertyValue("--accent"),
    panel: style.getPropertyValue("--panel"),
    changed: style.getPropertyValue("--changed"),
    font: `12px ${style.fontFamily}`,
  };
  const context = overlayContext(overlay, grid);
  const { selected, scale, dark, causal, edge: pinned, changed, counterparts } = props;
  const marks =
    matrix === null
      ? { selected, hovered, focused, changed }
      : { selected, hovered: null, focused: null, changed };
  paintOverlay(context, grid, view, layout.placement(), marks, inks, matrix === null);
  if (matrix === null) return;
  const { queries, keys } = props.rules;
  const { left: x, top: y } = filling;
  const room: Rect = { x, y, width: grid.width - x, height: grid.height - y };
  const thumbnails = props.layers.get(matrix.slot.layer);
  const own = thumbnails === undefined ? 1 : largestWeight(thumbnails, matrix.slot.head, props.rules);
  const largest = props.differenceFull ?? own;
  const field = props.field(matrix.slot.layer);
  paintCells(
    context,
    matrix,
    room,
    { queries, keys, causal, pinned, scale, dark, largest, field, counterparts, pointed: cell },
    inks,
  );
}
