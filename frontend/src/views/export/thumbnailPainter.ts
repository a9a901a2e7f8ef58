/** Draws the thumbnails of the model view into a figure of any size and theme. */

import type { Thumbnails } from "../../compute/thumbnails";
import { type Box, composeDensity, composeMap, composePlain, type PixelBuffer } from "../../marks/composite";
import { Pyramid } from "../../marks/pyramid";
import { straightLineDensity } from "../../marks/straightLines";
import type { HeadPlace, Palette, Scale } from "../../state/state";
import { composeDifference, DensityScratch, differenceHead } from "../model/differenceStyle";
import {
  cellRules,
  fullByte,
  groundAndInk,
  lineAmounts,
  lineShares,
  mapWords,
  type Rules,
  type ThumbnailStyle,
} from "../model/thumbnailStyle";

export interface ThumbnailColors {
  readonly palette: Palette;
  readonly scale: Scale;
  readonly dark: boolean;
  /** Position of a head between the ends of the measure, from 0 to 1: NaN if undefined, null without a tint. */
  readonly tint: (place: HeadPlace) => number | null;
  readonly tintSigned: boolean;
  /** The |difference| with full color in all heads; null if weights are drawn. */
  readonly differenceFull: number | null;
  /** Heads that are not dimmed. */
  readonly within: (place: HeadPlace) => boolean;
}

/** Returns a function that draws one head into a box. It returns false if the thumbnail is not loaded. */
export function thumbnailPainter(
  layers: ReadonlyMap<number, Thumbnails>,
  rules: Rules,
  look: ThumbnailStyle,
  { palette, scale, dark, tint, tintSigned, differenceFull, within }: ThumbnailColors,
): (
  pixels: PixelBuffer,
  box: Box,
  place: { readonly layer: number; readonly head: number },
  ratio: number,
) => boolean {
  const scratch = new DensityScratch();
  return (pixels, box, { layer, head }, ratio) => {
    const share = tint({ layer, head });
    const undefinedHere = share !== null && Number.isNaN(share);
    const dimmed = !within({ layer, head });
    const shade = undefinedHere ? null : share;
    const colors = groundAndInk({ look, palette, dark, tint: shade, tintSigned, dimmed });
    const thumbnails = layers.get(layer);
    if (thumbnails === undefined || head >= thumbnails.heads) return false;
    if (undefinedHere) {
      composePlain(pixels, box, colors[0], colors[20]);
      return true;
    }
    const { rows, columns } = thumbnails;
    const own = cellRules(rules, thumbnails);
    if (differenceFull !== null && share === null) {
      const style = { look, scale, dark, dimmed, full: differenceFull };
      composeDifference(pixels, box, differenceHead(thumbnails, head, own), style, ratio, scratch);
      return true;
    }
    const pyramid = new Pyramid({ rows, columns, cells: thumbnails.shownCells(head, own.hidden) });
    const full = fullByte(thumbnails, head, own);
    if (look === "map") {
      composeMap(pixels, box, pyramid, mapWords(colors, full, scale));
      return true;
    }
    const plane = pyramid.level(rows, columns);
    const amounts = lineAmounts(full, plane.rows, box.height, ratio, scale);
    const density = straightLineDensity(plane, box.width, box.height, amounts, lineShares(columns, own));
    composeDensity(pixels, box, density, colors);
    return true;
  };
}
