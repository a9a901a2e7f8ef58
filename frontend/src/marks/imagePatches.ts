/** Attention on an image: patches highlighted by their weight. Pure, except that it draws on the context it receives. */

import type { Box, Token } from "../wire/messages";
import { css, type Rgb } from "./palette";
import { darkness, type ScaleName } from "./scale";

/** A token that represents a patch of an image. */
export interface Patch {
  readonly index: number;
  readonly box: Box;
}

/** The patches of one image, in token order. */
export function patchesOf(tokens: readonly Token[], image: number): readonly Patch[] {
  return tokens.flatMap((token, index) =>
    token.box != null && (token.image ?? 0) === image ? [{ index, box: token.box }] : [],
  );
}

/** The patch at a point, in image pixels. */
export function patchAt(patches: readonly Patch[], x: number, y: number): number | null {
  const found = patches.find(({ box }) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3]);
  return found?.index ?? null;
}

/** The patch one step to the right, left, down or up; the same patch at an edge, the first one if there is no patch yet. */
export function patchBeside(
  patches: readonly Patch[],
  from: number | null,
  dx: number,
  dy: number,
): number | null {
  const now = patches.find(({ index }) => index === from);
  if (now === undefined) return patches[0]?.index ?? null;
  const [x0, y0, x1, y1] = now.box;
  const x = (x0 + x1) / 2 + dx * (x1 - x0);
  const y = (y0 + y1) / 2 + dy * (y1 - y0);
  return patchAt(patches, x, y) ?? now.index;
}

/** The default query of a stack: the token of the whole image, or else the middle patch; null without patches. */
export function imageQuery(tokens: readonly Token[]): number | null {
  if (tokens.at(-1)?.box == null && !tokens.every((token) => token.special || token.box != null)) return null;
  const special = tokens.findIndex((token) => token.special);
  if (special >= 0) return special;
  const patches = patchesOf(tokens, 0);
  if (patches.length === 0) return null;
  const right = Math.max(...patches.map(({ box }) => box[2]));
  const low = Math.max(...patches.map(({ box }) => box[3]));
  return patchAt(patches, right / 2, low / 2);
}

/** How strongly each patch is highlighted, from 0 to 1; `most` is the weight with full highlighting. */
export function lights(
  patches: readonly Patch[],
  weights: Float32Array,
  most: number,
  scale: ScaleName,
): Float32Array {
  return Float32Array.from(patches, ({ index }) =>
    most > 0 ? darkness((weights[index] ?? 0) / most, scale) : 0,
  );
}

/** The largest weight on any patch. */
export function heaviest(patches: readonly Patch[], weights: Float32Array): number {
  return patches.reduce((most, { index }) => Math.max(most, weights[index] ?? 0), 0);
}

/** The total weight on all patches. */
export function shareOf(patches: readonly Patch[], weights: Float32Array): number {
  return patches.reduce((sum, { index }) => sum + (weights[index] ?? 0), 0);
}

export interface Scene {
  /** The image in color, and in gray for patches without attention. */
  readonly color: CanvasImageSource;
  readonly gray: CanvasImageSource;
  readonly size: { readonly width: number; readonly height: number };
  readonly patches: readonly Patch[];
  /** From 0 to 1 for each patch; null where nothing is selected. */
  readonly lights: Float32Array | null;
  readonly tint: Rgb;
  /** The background that the image fades into where there is no attention. */
  readonly ground: string;
  readonly frames: readonly Frame[];
}

/** A framed patch: the query, a pinned patch, or the patch under the pointer. */
export interface Frame {
  readonly index: number;
  readonly kind: "query" | "pinned" | "pointed";
}

/** How far the image fades where there is no attention, and how strongly attended patches are tinted. */
const FADED = 0.62;
const TINTED = 0.7;

/** Draws the image at `scale`, on a context in CSS pixels. */
export function paintScene(
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
  scene: Scene,
  scale: number,
): void {
  const { width, height } = scene.size;
  const [w, h] = [width * scale, height * scale];
  context.imageSmoothingEnabled = scale < 2;
  context.drawImage(scene.lights === null ? scene.color : scene.gray, 0, 0, w, h);
  if (scene.lights !== null) {
    context.globalAlpha = FADED;
    context.fillStyle = scene.ground;
    context.fillRect(0, 0, w, h);
    for (let at = 0; at < scene.patches.length; at++) {
      const light = scene.lights[at];
      if (light < 0.004) continue;
      const [x0, y0, x1, y1] = scene.patches[at].box;
      // Rounding to whole device pixels avoids seams between neighbors.
      const [x, y] = [x0 * scale, y0 * scale];
      const [across, down] = [(x1 - x0) * scale, (y1 - y0) * scale];
      context.globalAlpha = light;
      context.drawImage(scene.gray, x0, y0, x1 - x0, y1 - y0, x, y, across, down);
      context.globalAlpha = TINTED * light;
      context.fillStyle = css(scene.tint);
      context.fillRect(x, y, across, down);
    }
    context.globalAlpha = 1;
  }
  for (const frame of scene.frames) paintFrame(context, scene, frame, scale);
}

function paintFrame(
  context: CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D,
  { patches }: Scene,
  { index, kind }: Frame,
  scale: number,
): void {
  const patch = patches.find((one) => one.index === index);
  if (patch === undefined) return;
  const [x0, y0, x1, y1] = patch.box.map((edge) => edge * scale);
  const strong = kind !== "pointed";
  // A dark line on a light one is visible on any image.
  context.setLineDash([]);
  context.strokeStyle = "#ffffff";
  context.lineWidth = strong ? 4 : 3;
  context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  context.strokeStyle = "#101216";
  context.lineWidth = strong ? 2 : 1;
  context.setLineDash(kind === "pinned" ? [4, 3] : []);
  context.strokeRect(x0, y0, x1 - x0, y1 - y0);
  context.setLineDash([]);
}

/** The number of columns that makes `count` images of one shape as large as possible in an area, and their size. */
export function arrange(
  count: number,
  area: { readonly width: number; readonly height: number },
  aspect: number,
  gap: number,
  caption: number,
): { readonly columns: number; readonly width: number } {
  let best = { columns: 1, width: 0 };
  for (let columns = 1; columns <= count; columns++) {
    const rows = Math.ceil(count / columns);
    const across = (area.width - gap * (columns - 1)) / columns;
    const down = ((area.height - gap * (rows - 1)) / rows - caption) * aspect;
    const width = Math.floor(Math.min(across, down));
    if (width > best.width) best = { columns, width };
  }
  return best;
}
