/** Rows of tokens in a figure: which rows are shown, and the token texts. */

import { face } from "../marks/format";
import type { Token } from "../wire/messages";
import type { Inks } from "./sheet";
import { element, fitted, type Piece, textWidth, visible } from "./svg";

/** The most rows in a figure. A longer input is shown in part, and the caption says which part. */
const MOST_ROWS = 400;

/** The range of rows shown: all, or as many as a figure has, around the row of interest. The end is exclusive. */
export function rowsAround(rows: number, middle: number | null, most = MOST_ROWS): readonly [number, number] {
  if (rows <= most) return [0, rows];
  const first = Math.max(0, Math.min(rows - most, (middle ?? 0) - (most >> 1)));
  return [first, first + most];
}

export function rowHeightOf(rows: number): number {
  if (rows <= 16) return 28;
  if (rows <= 48) return 22;
  return rows <= 128 ? 18 : 16;
}

/** A token as drawn: the mark for a space or continuation, then the text. */
function lettersOf(token: Token): string {
  const { before, text } = face(token);
  return visible(before + text);
}

/** The width of a column of tokens, within bounds. */
export function columnWidth(tokens: readonly Token[], size: number, least: number, most: number): number {
  let widest = least;
  for (const token of tokens) widest = Math.max(widest, textWidth(lettersOf(token), size) + 18);
  return Math.ceil(Math.min(most, widest));
}

export interface TokenLook {
  readonly x: number;
  readonly y: number;
  readonly size: number;
  readonly room: number;
  readonly anchor: "start" | "end" | "middle";
  readonly inks: Inks;
  readonly bold?: boolean;
  readonly faint?: boolean;
  /** Rotation around the anchor, in degrees. */
  readonly turned?: number;
}

/** A token as a text element. Right-to-left text is isolated within it. */
export function tokenText(token: Token, look: TokenLook): Piece {
  const { before, kind } = face(token);
  const letters = fitted(lettersOf(token), look.size, look.room);
  const quiet = kind === "special" || kind === "space";
  const marked = before !== "" && letters.startsWith(before);
  return element(
    "text",
    {
      x: look.x,
      y: look.y,
      "font-size": look.size,
      fill: quiet ? look.inks.quiet : look.inks.ink,
      "text-anchor": look.anchor === "start" ? undefined : look.anchor,
      "dominant-baseline": "central",
      "font-weight": look.bold ? 650 : undefined,
      "fill-opacity": look.faint ? 0.4 : undefined,
      "xml:space": "preserve",
      transform: look.turned === undefined ? undefined : `rotate(${look.turned} ${look.x} ${look.y})`,
      class: "token",
    },
    ...(marked
      ? [
          element("tspan", { fill: look.inks.quiet, "fill-opacity": 0.75 }, before),
          letters.slice(before.length),
        ]
      : [letters]),
  );
}
