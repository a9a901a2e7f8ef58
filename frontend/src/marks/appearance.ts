/** Colors and wording that the page shares with Python's figures and notebook images. */

export {
  changed,
  characters,
  dashes,
  edits,
  heads,
  inks,
  log_scale,
  signs,
  weights,
} from "../../../src/attnscope/appearance/appearance.json";

export type Rgb = readonly [red: number, green: number, blue: number];

/** Channels of a `#rrggbb` color, from 0 to 255. */
export function rgb(color: string): Rgb {
  const part = (at: number) => Number.parseInt(color.slice(at, at + 2), 16);
  return [part(1), part(3), part(5)];
}
