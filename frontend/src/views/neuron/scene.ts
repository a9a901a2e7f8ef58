/** The data that the canvases of the neuron view are painted from. */

import type { HeadVectors, QueryTrace } from "../../compute/neuron";
import type { HeadValues } from "../../compute/values";
import type { Scale } from "../../state/state";
import { rowY, type TokenLayout } from "../shared/tokenLayout";
import type { Columns } from "./columns";

/** The magnitude with full color, or a full bar, in each column. */
export interface Fulls {
  readonly q: number;
  readonly k: number;
  readonly product: number;
  readonly dot: number;
  readonly bias: number;
}

export interface ValueFulls {
  readonly v: number;
  readonly transformed: number;
  readonly weighted: number;
}

/** Value vectors and norms for the selected query. */
export interface ValueSide {
  readonly values: HeadValues;
  /** α‖f(x)‖ of every key; null if norms are unknown. */
  readonly weighted: Float32Array | null;
  readonly fulls: ValueFulls;
}

/** The theme colors of the page, for canvases. */
export interface Theme {
  readonly dark: boolean;
  readonly ink: string;
  readonly ink2: string;
  readonly ink3: string;
  readonly line: string;
  readonly panel: string;
  readonly accent: string;
  readonly font: string;
}

export interface Scene {
  readonly columns: Columns;
  readonly layout: TokenLayout;
  readonly scroll: number;
  readonly vectors: HeadVectors;
  readonly trace: QueryTrace;
  readonly weights: Float32Array;
  /** The text for a key without a weight. */
  readonly absent: string;
  /** The dimension at each place along a vector; null for index order. */
  readonly order: Uint16Array | null;
  /** Arrangement of pairs: 2 side by side, 1 one above the other, 0 apart or no pairs. */
  readonly group: 0 | 1 | 2;
  readonly side: ValueSide | null;
  readonly fulls: Fulls;
  /** The error of the scores. */
  readonly scoreError: number;
  /** The number of meaningful decimals of q · k. */
  readonly dotDigits: number;
  readonly scale: Scale;
  readonly theme: Theme;
  readonly ratio: number;
}

export function readTheme(element: Element, dark: boolean): Theme {
  const style = getComputedStyle(element);
  const color = (name: string) => style.getPropertyValue(`--${name}`).trim();
  return {
    dark,
    ink: color("ink"),
    ink2: color("ink2"),
    ink3: color("ink3"),
    line: color("line"),
    panel: color("panel"),
    accent: color("accent"),
    font: style.fontFamily,
  };
}

/** Center of the selected query's row, clamped to the window when the row is scrolled out. */
export function queryY({ layout, scroll, trace }: Pick<Scene, "layout" | "scroll" | "trace">): number {
  const half = layout.rowHeight / 2;
  return Math.max(half, Math.min(layout.height - half, rowY(layout, trace.query, scroll)));
}

/** The arrangement of pairs in vectors of `fold` lines. */
export function groupOf(
  units: readonly (readonly number[])[],
  placeOf: (dimension: number) => number,
  dim: number,
  fold: number,
): 0 | 1 | 2 {
  const across = dim / fold;
  const pairs = units
    .filter((unit) => unit.length === 2)
    .map((unit) => unit.map(placeOf).sort((a, b) => a - b));
  if (pairs.length === 0) return 0;
  if (pairs.every(([a, b]) => b === a + 1 && a % 2 === 0 && across % 2 === 0)) return 2;
  const above = pairs.every(([a, b]) => b === a + across && Math.floor(a / across) % 2 === 0);
  return above ? 1 : 0;
}
