/** The image of all lines for a band of tokens slightly longer than the window, which scrolling moves. Pure. */

import type { RowRules } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import { Density } from "../../marks/density";
import type { Lines } from "../../marks/lines";
import type { Scale } from "../../state/state";
import { scalesOf } from "../shared/lineScales";
import { type TokenLayout, visibleRows } from "../shared/tokenLayout";
import { type Cutoffs, linesAmong } from "./selectLines";

/** The most lines that a canvas strokes quickly; more are rasterized. */
const MOST_STROKES = 2500;

/** A request to draw a band; can be sent to a worker. */
export interface BandRequest {
  /** Identifies the request. */
  readonly id: number;
  readonly heads: readonly number[];
  readonly rules: RowRules;
  readonly layout: TokenLayout;
  readonly scale: Scale;
  readonly dark: boolean;
  readonly signed: boolean;
  readonly off: readonly number[];
  /** Device pixels per CSS pixel. */
  readonly ratio: number;
  /** Start of the band along the tokens, and its length, in CSS pixels. */
  readonly top: number;
  readonly length: number;
}

export interface Band {
  readonly request: BandRequest;
  readonly lines: Lines;
  readonly threshold: number;
  readonly complete: boolean;
  /** RGBA pixels; null if the lines are few enough to be stroked. */
  readonly pixels: Uint8ClampedArray<ArrayBuffer> | null;
  /** Size of the image on the screen. */
  readonly width: number;
  readonly height: number;
}

export function drawBand(field: LayerField, request: BandRequest, cutoffs: Cutoffs): Band {
  const { layout, top, length, ratio, heads, rules } = request;
  const rows = { ...layout, height: length };
  const found = linesAmong(field, heads, rules, cutoffs, {
    queries: visibleRows(rows, top, field.queries, 0, "query"),
    keys: visibleRows(rows, top, field.keys, 0, "key"),
  });
  const across = Math.max(1, Math.round((layout.lineX1 - layout.lineX0) * ratio));
  const along = Math.max(1, Math.round(length * ratio));
  const turned = layout.cells !== undefined;
  const [width, height] = turned ? [along, across] : [across, along];
  if (found.lines.count <= MOST_STROKES) return { ...found, request, pixels: null, width, height };
  const density = new Density(across, along, ratio);
  density.add(found.lines, scalesOf({ ...request, scroll: top }));
  return { ...found, request, pixels: density.develop(turned), width, height };
}

/** Whether a band covers the window at `scroll` plus `spare` windows on either side, up to the ends of the tokens. */
export function covers(
  band: { readonly top: number; readonly length: number },
  layout: TokenLayout,
  scroll: number,
  spare: number,
): boolean {
  const from = Math.max(0, scroll - spare * layout.height);
  const to = Math.min(Math.max(layout.extent, layout.height), scroll + (1 + spare) * layout.height);
  return band.top <= from + 1 && band.top + band.length >= to - 1;
}

/** The band to draw around a window. */
export function bandAround(
  layout: TokenLayout,
  scroll: number,
): { readonly top: number; readonly length: number } {
  const whole = Math.max(layout.extent, layout.height);
  const length = Math.min(whole, 3 * layout.height);
  const top = Math.max(0, Math.min(Math.round(scroll - layout.height), whole - length));
  return { top, length };
}
