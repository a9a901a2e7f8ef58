/** Figures and other files, handed to the browser. */

import type { Figure } from "../../figures/sheet";
import { context2d } from "../shared/canvas";

export type Format = "svg" | "png";

/** How many pixels a PNG has for each of the figure's own. */
const RATIO = 2;
/** What canvases of all browsers take. */
const MOST = { side: 16_384, pixels: 120e6 };
const KEPT_MS = 60_000;

/** Hands a figure to the browser as a download; gives the file's name. */
export async function saveFigure(figure: Figure, format: Format): Promise<string> {
  const svg = new Blob([figure.svg], { type: "image/svg+xml" });
  const name = `${figure.name}.${format}`;
  download(format === "svg" ? svg : await rastered(figure, svg), name);
  return name;
}

/** Hands a file to the browser. */
export function download(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
}

/** How much larger than the figure its PNG is: twice, unless that is more than a canvas takes. */
function pngRatio({ width, height }: Pick<Figure, "width" | "height">): number {
  return Math.min(RATIO, MOST.side / Math.max(width, height), Math.sqrt(MOST.pixels / (width * height)));
}

async function rastered(figure: Figure, svg: Blob): Promise<Blob> {
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
        blob === null ? fail(new Error("The figure is too large for a PNG.")) : done(blob),
      );
    });
  } finally {
    URL.revokeObjectURL(url);
  }
}
