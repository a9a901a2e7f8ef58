/** SVG as text. Attributes and text are escaped, so that a token can never act as markup. Pure. */

import type { Rgb } from "../marks/palette";

/** A complete, escaped piece of SVG. */
export interface Piece {
  readonly markup: string;
}

export type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element with children; strings among the children are escaped. */
export function element(
  name: string,
  attributes: Attributes,
  ...children: readonly (Piece | string)[]
): Piece {
  let start = `<${name}`;
  for (const [key, value] of Object.entries(attributes)) {
    if (value === undefined) continue;
    start += ` ${key}="${typeof value === "number" ? number(value) : escapeXml(value)}"`;
  }
  if (children.length === 0) return { markup: `${start}/>` };
  const inner = children.map((child) => (typeof child === "string" ? escapeXml(child) : child.markup));
  return { markup: `${start}>${inner.join("")}</${name}>` };
}

/** Concatenates pieces. */
export function together(pieces: readonly Piece[]): Piece {
  return { markup: pieces.map((piece) => piece.markup).join("\n") };
}

const NAMED: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };

/** Escapes text for XML content and attributes. */
export function escapeXml(text: string): string {
  return visible(text).replace(/[&<>"]/g, (sign) => NAMED[sign]);
}

/**
 * Makes text visible and inert: control characters become Unicode control pictures, direction controls become code
 * points, and lone surrogates and characters that XML does not allow become U+FFFD.
 */
export function visible(text: string): string {
  let seen = "";
  for (const sign of text.toWellFormed()) {
    const code = sign.codePointAt(0) ?? 0;
    if (code < 0x20) seen += String.fromCodePoint(0x2400 + code);
    else if (code === 0x7f) seen += "\u2421";
    else if ((code >= 0x80 && code < 0xa0) || (code & 0xfffe) === 0xfffe) seen += "\ufffd";
    else if (turns(code)) seen += `⟨U+${code.toString(16).toUpperCase()}⟩`;
    else seen += sign;
  }
  return seen;
}

/** Whether a character embeds, overrides or isolates a text direction, or separates lines or paragraphs. */
function turns(code: number): boolean {
  return (
    (code >= 0x202a && code <= 0x202e) ||
    (code >= 0x2066 && code <= 0x2069) ||
    (code >= 0x2028 && code <= 0x2029) ||
    [0x200e, 0x200f, 0x061c].includes(code)
  );
}

/** At most two decimals: a fiftieth of a device pixel at 2×. */
export function number(value: number): string {
  return String(Math.round(value * 100) / 100);
}

/** The approximate width of a text; wide characters count twice. Used to reserve space, never to place letters. */
export function textWidth(text: string, size: number): number {
  let ems = 0;
  for (const sign of text) {
    const code = sign.codePointAt(0) ?? 0;
    if (code >= 0x300 && code < 0x370) continue;
    ems += code >= 0x1100 ? 1 : /[A-Z0-9mwMW@%·—]/.test(sign) ? 0.66 : 0.57;
  }
  return ems * size;
}

/** The text, or as much of it as fits, with an ellipsis. */
export function fitted(text: string, size: number, room: number): string {
  if (textWidth(text, size) <= room) return text;
  let [kept, width] = ["", textWidth("…", size)];
  for (const sign of text) {
    width += textWidth(sign, size);
    if (width > room) break;
    kept += sign;
  }
  return `${kept}…`;
}

/** Wraps text to lines no wider than `room`, between words if possible. */
export function wrapped(text: string, size: number, room: number): readonly string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (textWidth(longer, size) <= room || line === "") line = longer;
    else {
      lines.push(line);
      line = word;
    }
    while (textWidth(line, size) > room) {
      const head = fitted(line, size, room).slice(0, -1);
      lines.push(head);
      line = line.slice(Math.max(1, head.length));
    }
  }
  return line === "" ? lines : [...lines, line];
}

/** A color as an attribute. Opacity is a separate attribute, which more programs support. */
export function paint(color: Rgb): string {
  return `#${color.map((part) => Math.round(part).toString(16).padStart(2, "0")).join("")}`;
}
