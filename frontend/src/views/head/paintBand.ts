import { strokeLines } from "../../marks/lines";
import { context2d } from "../shared/canvas";
import { scalesOf } from "../shared/lineScales";
import type { Band } from "./band";
import { orient } from "./canvasTheme";

/** Paints a band onto its canvas: pixels from the worker, or individual lines. */
export function paintBand(canvas: HTMLCanvasElement, { request, lines, pixels, width, height }: Band): void {
  canvas.width = width;
  canvas.height = height;
  const context = context2d(canvas);
  if (pixels !== null) {
    context.putImageData(new ImageData(pixels, width, height), 0, 0);
    return;
  }
  const { layout, top, ratio } = request;
  orient(context, layout.cells !== undefined, ratio);
  const scales = scalesOf({ ...request, scroll: top });
  strokeLines(context, lines, { ...scales, x0: 0, x1: layout.lineX1 - layout.lineX0 });
}
