/**
 * One color per head: the Okabe-Ito palette, adjusted to be readable on white and on near-black, then further hues around
 * the OKLCH circle. Color is never the only cue: heads after the tenth are dashed, after the twentieth dotted.
 */

import { dashes, heads, inks, type Rgb, rgb, weights } from "./appearance";

export type { Rgb };

export type WeightPalette = keyof typeof weights.light;

const HEADS = { light: heads.light.map(rgb), dark: heads.dark.map(rgb) };
const WEIGHTS = { light: stopsOf(weights.light), dark: stopsOf(weights.dark) };

function stopsOf(ramps: Readonly<Record<WeightPalette, readonly string[]>>) {
  const { blue, cividis, gray } = ramps;
  return { blue: blue.map(rgb), cividis: cividis.map(rgb), gray: gray.map(rgb) };
}

/** Evenly spaced color stops for weights and measures, from low to high. */
export function weightStops(palette: WeightPalette, dark: boolean): readonly Rgb[] {
  return WEIGHTS[dark ? "dark" : "light"][palette];
}

/** Interpolates between two colors. */
export function between(from: Rgb, to: Rgb, share: number): Rgb {
  return [0, 1, 2].map((part) => Math.round(from[part] + (to[part] - from[part]) * share)) as unknown as Rgb;
}

/** Interpolates evenly spaced color stops at `share`, from 0 to 1. */
export function colorAt(stops: readonly Rgb[], share: number): Rgb {
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(place));
  return between(stops[below], stops[below + 1], place - below);
}

export function headColor(head: number, dark: boolean): Rgb {
  const theme = dark ? "dark" : "light";
  const named = HEADS[theme];
  if (head < named.length) return named[head];
  const turn = head - named.length;
  const { lightness, chroma, hue } = heads.further;
  return fromOklch(
    lightness[theme].first + (turn % 3) * lightness[theme].step,
    chroma[turn % chroma.length],
    hue.first + turn * hue.step,
  );
}

/** Lengths of dash and gap in CSS pixels; empty for a solid line. */
export function headDash(head: number): readonly number[] {
  return dashes.screen[Math.floor(head / heads.light.length) % dashes.screen.length];
}

export function css([red, green, blue]: Rgb, opacity = 1): string {
  return opacity === 1
    ? `rgb(${red} ${green} ${blue})`
    : `rgb(${red} ${green} ${blue} / ${opacity.toFixed(3)})`;
}

/** The text color, dark or white, that is more readable on a color. */
export function inkOn([red, green, blue]: Rgb): string {
  const linear = [red, green, blue].map((part) => (part / 255) ** 2.2);
  const luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  const { dark_above, dark, light } = inks.on_color;
  return luminance > dark_above ? dark : light;
}

function fromOklch(lightness: number, chroma: number, degrees: number): Rgb {
  const angle = (degrees * Math.PI) / 180;
  const a = chroma * Math.cos(angle);
  const b = chroma * Math.sin(angle);
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    toByte(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    toByte(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    toByte(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

function toByte(linear: number): number {
  const clipped = Math.max(0, Math.min(1, linear));
  const encoded = clipped <= 0.0031308 ? clipped * 12.92 : 1.055 * clipped ** (1 / 2.4) - 0.055;
  return Math.round(encoded * 255);
}
