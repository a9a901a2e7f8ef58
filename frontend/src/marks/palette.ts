/**
 * One colour per head: Okabe and Ito's palette, adjusted to read on white and on near-black, then further hues around
 * the OKLCH circle. Colour is never the only cue: heads after the tenth are dashed, after the twentieth dotted.
 */

export type Rgb = readonly [red: number, green: number, blue: number];

const LIGHT: readonly Rgb[] = [
  [0, 114, 178],
  [213, 94, 0],
  [0, 146, 110],
  [196, 92, 152],
  [209, 144, 0],
  [52, 158, 214],
  [106, 76, 168],
  [128, 118, 0],
  [140, 78, 50],
  [92, 103, 120],
];

const DARK: readonly Rgb[] = [
  [84, 164, 236],
  [255, 138, 66],
  [46, 196, 150],
  [232, 138, 192],
  [240, 184, 48],
  [132, 208, 250],
  [172, 146, 240],
  [210, 202, 84],
  [214, 152, 118],
  [168, 178, 194],
];

export function headColour(head: number, dark: boolean): Rgb {
  const named = dark ? DARK : LIGHT;
  if (head < named.length) return named[head];
  const turn = head - named.length;
  const lightness = (dark ? 0.76 : 0.56) + (turn % 3) * (dark ? 0.05 : -0.06);
  return fromOklch(lightness, turn % 2 === 0 ? 0.13 : 0.09, 20 + turn * 137.508);
}

/** Lengths of dash and gap in CSS pixels; none for a solid line. */
export function headDash(head: number): readonly number[] {
  const cycle = Math.floor(head / LIGHT.length) % 3;
  return cycle === 0 ? [] : cycle === 1 ? [7, 4] : [2, 4];
}

export function css([red, green, blue]: Rgb, opacity = 1): string {
  return opacity === 1
    ? `rgb(${red} ${green} ${blue})`
    : `rgb(${red} ${green} ${blue} / ${opacity.toFixed(3)})`;
}

/** Black or white, whichever reads better on a colour. */
export function inkOn([red, green, blue]: Rgb): string {
  const linear = [red, green, blue].map((part) => (part / 255) ** 2.2);
  return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.3 ? "#101216" : "#ffffff";
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
