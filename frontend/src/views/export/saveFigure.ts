/** Downloads figures and other files. */

import type { Figure } from "../../figures/sheet";
import { context2d } from "../shared/canvas";

export type Format = "svg" | "png";

/** Pixels of a PNG per pixel of the figure. */
const RATIO = 2;
/** Canvas size that all browsers support. */
const CANVAS_LIMIT = { side: 16_384, pixels: 120e6 };
const KEPT_MS = 60_000;

/** Downloads a figure and returns the file name. */
export async function saveFigure(figure: Figure, format: Format): Promise<string> {
  const svg = new Blob([figure.svg], { type: "image/svg+xml" });
  const name = `${figure.name}.${format}`;
  download(format === "svg" ? svg : await rasterize(figure, svg), name);
  return name;
}

/** Downloads a file. */
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

/** Scale of the PNG relative to the figure: 2, or less if the canvas would be too large. */
function pngRatio({ width, height }: Pick<Figure, "width" | "height">): number {
  return Math.min(
    RATIO,
    CANVAS_LIMIT.side / Math.max(width, height),
    Math.sqrt(CANVAS_LIMIT.pixels / (width * height)),
  );
}

async function rasterize(figure: Figure, svg: Blob): Promise<Blob> {
  const url = URL.createObjectURL(svg);
  try {
    const image = new Image();
    image.src = url;
    await image.decode();
    const ratio = pngRatio(figure);
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(figure.width * ratio);
    canvas.height = Math.round(figure.height * ratio);
    const context = context2d(canvas);
    context.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((done, fail) => {
      canvas.toBlob((blob) =>
        blob === null
          ? fail(new Error("The figure is too large for a PNG. Save it as SVG instead."))
          : done(blob),
      );
    });
  } finally {
    URL.revokeObjectURL(url);
  }
}
