/** Attention on a picture: patches that light up by their weight. Pure; a context to draw on is given. */

import type { Box, Token } from "../wire/messages";
import { css, type Rgb } from "./palette";
import { darkness, type ScaleName } from "./scale";

/** A token that stands for a part of a picture. */
export interface Patch {
  readonly index: number;
  readonly box: Box;
}

/** The patches of one picture, in the order of the tokens. */
export function patchesOf(tokens: readonly Token[], image: number): readonly Patch[] {
  return tokens.flatMap((token, index) =>
    token.box != null && (token.image ?? 0) === image ? [{ index, box: token.box }] : [],
  );
}

/** The patch that a point of the picture lies in, pixels of the picture. */
export function patchAt(patches: readonly Patch[], x: number, y: number): number | null {
  const found = patches.find(({ box }) => x >= box[0] && x < box[2] && y >= box[1] && y < box[3]);
  return found?.index ?? null;
}

/** The patch one step right, left, down or up of another; itself at the edge, the first where there is none. */
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

/** The default query of a stack: what stands for the whole picture, else the middle of its patches; null without patches. */
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

/** How much each patch lights up, from 0 to 1; `most` is the weight that lights up fully. */
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

/** The heaviest weight on any of the patches. */
export function heaviest(patches: readonly Patch[], weights: Float32Array): number {
  return patches.reduce((most, { index }) => Math.max(most, weights[index] ?? 0), 0);
}

/** The weight on all of the patches together. */
export function shareOf(patches: readonly Patch[], weights: Float32Array): number {
  return patches.reduce((sum, { index }) => sum + (weights[index] ?? 0), 0);
}

export interface Scene {
  /** The picture in color, and without: what is not looked at. */
  readonly color: CanvasImageSource;
  readonly gray: CanvasImageSource;
  readonly size: { readonly width: number; readonly height: number };
  readonly patches: readonly Patch[];
  /** From 0 to 1 for each patch; null where nothing is selected. */
  readonly lights: Float32Array | null;
  readonly tint: Rgb;
  /** What the picture fades into where nobody looks. */
  readonly ground: string;
  readonly frames: readonly Frame[];
}

/** A patch with a frame: the one that attends, one that is pinned, one pointed at. */
export interface Frame {
  readonly index: number;
  readonly kind: "query" | "pinned" | "pointed";
}

/** How far the picture fades where nobody looks, and how strong a head's color lies on what it looks at. */
const FADED = 0.62;
const TINTED = 0.7;

/** Draws the picture `scale` times as large, on a context in CSS pixels. */
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
      // On whole device pixels neighbors meet without a seam.
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
  // Dark within light: seen on any picture.
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

/** Columns in which so many pictures of one shape are largest in an area, and how large they are. */
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
