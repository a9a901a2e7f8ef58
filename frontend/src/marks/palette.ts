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

/** From no weight to a full one. Lightness falls (rises in the dark) all the way, so they read without hue too. */
const WEIGHTS = {
  light: {
    blue: [
      [241, 243, 249],
      [122, 154, 228],
      [47, 91, 208],
      [17, 33, 92],
    ],
    cividis: [
      [250, 246, 226],
      [214, 196, 112],
      [118, 119, 121],
      [0, 32, 77],
    ],
    grey: [
      [244, 244, 245],
      [160, 162, 166],
      [84, 87, 92],
      [18, 20, 24],
    ],
  },
  dark: {
    blue: [
      [27, 31, 40],
      [52, 82, 168],
      [134, 168, 255],
      [236, 242, 255],
    ],
    cividis: [
      [20, 28, 46],
      [63, 76, 107],
      [158, 150, 118],
      [255, 234, 70],
    ],
    grey: [
      [30, 32, 37],
      [92, 96, 104],
      [164, 168, 176],
      [246, 247, 250],
    ],
  },
} as const satisfies Record<"light" | "dark", Record<string, readonly Rgb[]>>;

export type WeightPalette = keyof (typeof WEIGHTS)["light"];

/** The colours of weights and of measures, evenly spread from nothing to the most. */
export function weightStops(palette: WeightPalette, dark: boolean): readonly Rgb[] {
  return WEIGHTS[dark ? "dark" : "light"][palette];
}

/** What is between two colours, `share` of the way. */
export function between(from: Rgb, to: Rgb, share: number): Rgb {
  return [0, 1, 2].map((part) => Math.round(from[part] + (to[part] - from[part]) * share)) as unknown as Rgb;
}

/** The colour at a share of some stops that are spread evenly. */
export function colourAt(stops: readonly Rgb[], share: number): Rgb {
  const place = Math.max(0, Math.min(1, share)) * (stops.length - 1);
  const below = Math.min(stops.length - 2, Math.floor(place));
  return between(stops[below], stops[below + 1], place - below);
}

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
