/**
 * The appearance of differences: a faint gray pattern of the current pass, and over it what differs, blue above zero and orange
 * below, on one scale for all heads. Pure.
 */

import { differenceOf } from "../../compute/signedCode";
import type { Thumbnails } from "../../compute/thumbnails";
import { type Box, composeDensity, composeMap, inks, type PixelBuffer } from "../../marks/composite";
import { signColor, signShare } from "../../marks/neuron";
import { between, type Rgb, weightStops } from "../../marks/palette";
import { Pyramid } from "../../marks/pyramid";
import { darkness } from "../../marks/scale";
import { type Glaze, overlayDensity, overlayMap } from "../../marks/signedComposite";
import { straightLineDensity } from "../../marks/straightLines";
import type { Scale } from "../../state/state";
import {
  type CellRules,
  cellRules,
  DIMMED,
  densityOf,
  fullByte,
  kept,
  lineAmounts,
  lineShares,
  mapWords,
  panelColor,
  type Rules,
  type ThumbnailStyle,
} from "./thumbnailStyle";

export interface DifferenceLook {
  readonly look: ThumbnailStyle;
  readonly scale: Scale;
  /** The |difference| with full color; 0 if nothing differs. */
  readonly full: number;
  readonly dark: boolean;
  readonly dimmed: boolean;
}

/** One head of a difference, ready to be drawn at any size. */
export interface DifferenceHead {
  readonly rules: CellRules;
  /** The weights of the current pass. */
  readonly pyramid: Pyramid;
  /** The byte with full darkness in the gray pattern. */
  readonly full: number;
  /** Codes of differences; null if the head does not differ. */
  readonly codes: Pyramid | null;
}

/** How strong the gray pattern is, as a share of the gray palette's second stop. */
const GRAY = { lines: [0.34, 0.6], map: 0.55 } as const;
/** How much stronger than lines of weights those of differences are: there are fewer of them. */
const LINE_STRENGTH = 3.6;
/** The share of the scale below which a color of the map is partly transparent. */
const SHEER_BELOW = 0.3;
/** The share of the color scale that lines have; their opacity shows the size of the difference. */
const LINE_COLOR = 0.86;

export function differenceHead(thumbnails: Thumbnails, head: number, rules: CellRules): DifferenceHead {
  const { rows, columns, difference } = thumbnails;
  const codes = difference?.shownCodes(head, rules.hidden) ?? null;
  return {
    rules,
    pyramid: new Pyramid({ rows, columns, cells: thumbnails.shownCells(head, rules.hidden) }),
    full: fullByte(thumbnails, head, rules),
    codes: codes === null ? null : new Pyramid({ rows, columns, cells: codes }),
  };
}

/** The largest |difference| that is shown, of all layers. */
export function largestDifference(layers: Iterable<Thumbnails>, rules: Rules): number {
  let most = 0;
  for (const thumbnails of layers) {
    const { difference, heads } = thumbnails;
    if (difference === null || difference.unchanged) continue;
    if (!rules.sinksHidden) {
      most = Math.max(most, difference.largest);
      continue;
    }
    const { hidden } = cellRules(rules, thumbnails);
    for (let head = 0; head < heads; head++)
      most = Math.max(most, Math.abs(difference.peak(head, hidden)?.value ?? 0));
  }
  return most;
}

/** Colors of the gray pattern, from weight 0 to full weight. */
export function grayWords({ look, dark, dimmed }: Omit<DifferenceLook, "full" | "scale">): Uint32Array {
  return kept(grays, `${look} ${dark} ${dimmed}`, () => {
    const panel = panelColor(dark);
    const stops = weightStops("gray", dark);
    const found =
      look === "lines"
        ? [panel, ...GRAY.lines.map((share) => between(panel, stops[1], share))]
        : [stops[0], between(stops[0], stops[1], GRAY.map)];
    return inks(dimmed ? found.map((stop) => between(panel, stop, DIMMED)) : found);
  });
}

/** The colors of codes over the gray pattern of a map. */
export function glazeOf({ full, scale, dark, dimmed }: Omit<DifferenceLook, "look">): Glaze {
  return kept(glazes, `${full} ${scale} ${dark} ${dimmed}`, () => {
    const shares = Array.from({ length: 256 }, (_, code) => signShare(differenceOf(code), full, scale));
    const least = (share: number) => Math.sign(share) * Math.max(SHEER_BELOW, Math.abs(share));
    return {
      colors: shares.map((share) => signColor(least(share), dark)),
      opacity: Uint8Array.from(shares, (share) => {
        const opacity = Math.min(1, Math.abs(share) / SHEER_BELOW);
        return Math.round(255 * opacity * (dimmed ? DIMMED : 1));
      }),
    };
  });
}

/** The colors of a legend's ramp, from the negative to the positive end; the scale is that of the map. */
export function signedRamp(steps: number, dark: boolean): Uint32Array {
  const colors = Array.from({ length: steps }, (_, at) => signColor((2 * at) / (steps - 1) - 1, dark));
  return new Uint32Array(Uint8Array.from(colors.flatMap((color) => [...color, 255])).buffer);
}

/** Buffers for the densities of lines, which grow as needed. */
export class DensityScratch {
  readonly #buffers: Float32Array[] = [];

  get(at: number, size: number): Float32Array {
    if ((this.#buffers[at]?.length ?? 0) < size) this.#buffers[at] = new Float32Array(size);
    return this.#buffers[at];
  }
}

/** Draws one head into a box. */
export function composeDifference(
  pixels: PixelBuffer,
  box: Box,
  head: DifferenceHead,
  style: DifferenceLook,
  ratio: number,
  scratch: DensityScratch,
): void {
  if (style.look === "map") {
    const { pyramid: pattern, codes, full } = head;
    composeDifferenceMap(pixels, box, { pattern, codes, full }, style);
    return;
  }
  const gray = grayWords(style);
  const plane = head.pyramid.level(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
  const { rows, columns } = plane;
  const { width, height } = box;
  const size = width * height;
  const shares = lineShares(columns, head.rules);
  const faint = lineAmounts(head.full, rows, height, ratio, style.scale);
  const pattern = straightLineDensity(plane, width, height, faint, shares, scratch.get(0, size));
  composeDensity(pixels, box, pattern, gray);
  if (head.codes === null || style.full === 0) return;
  const codes = head.codes.level(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY);
  const amounts = kept(signedKept, `${style.full} ${style.scale} ${rows} ${height} ${ratio}`, () =>
    signedAmounts(style, rows, height, ratio),
  );
  const draw = (amount: Float32Array, at: number) =>
    straightLineDensity(codes, width, height, amount, shares, scratch.get(at, size));
  overlayDensity(
    pixels,
    box,
    { up: draw(amounts.up, 1), down: draw(amounts.down, 2) },
    { up: signInk(1, style), down: signInk(-1, style) },
  );
}

/** Draws the cells of a head, or of some of its rows, into a box. `full` is the byte with full darkness in the gray pattern. */
export function composeDifferenceMap(
  pixels: PixelBuffer,
  box: Box,
  cells: { readonly pattern: Pyramid; readonly codes: Pyramid | null; readonly full: number },
  style: DifferenceLook,
): void {
  composeMap(pixels, box, cells.pattern, grayMap(grayWords(style), cells.full, style.scale));
  if (cells.codes !== null && style.full > 0) overlayMap(pixels, box, cells.codes, glazeOf(style));
}

/** The darkness of lines by code, for rising and for falling ones. */
function signedAmounts(
  { full, scale }: DifferenceLook,
  rows: number,
  height: number,
  ratio: number,
): { readonly up: Float32Array; readonly down: Float32Array } {
  const amount = (code: number) => {
    const strength = darkness(Math.abs(differenceOf(code)) / full, scale);
    return LINE_STRENGTH * densityOf(strength, rows, height, ratio);
  };
  const of = (parity: number) =>
    Float32Array.from({ length: 256 }, (_, code) => ((code & 1) === parity ? amount(code) : 0));
  return { up: of(1), down: of(0) };
}

function signInk(sign: number, { dark, dimmed }: DifferenceLook): Rgb {
  const color = signColor(sign * LINE_COLOR, dark);
  return dimmed ? between(panelColor(dark), color, DIMMED) : color;
}

const signedKept = new Map<string, ReturnType<typeof signedAmounts>>();
const grays = new Map<string, Uint32Array>();
const glazes = new Map<string, Glaze>();
const grayMaps = new WeakMap<Uint32Array, Map<string, Uint32Array>>();

function grayMap(gray: Uint32Array, full: number, scale: Scale): Uint32Array {
  let maps = grayMaps.get(gray);
  if (maps === undefined) {
    maps = new Map();
    grayMaps.set(gray, maps);
  }
  return kept(maps, `${full} ${scale}`, () => mapWords(gray, full, scale));
}
