/** The sheet that a figure stands on: its ground, its title, its caption, and what tells later where it came from. */

import { inks } from "../marks/appearance";
import type { Edit } from "../wire/messages";
import { editNote } from "./edits";
import { element, number, type Piece, textWidth, together, visible, wrapped } from "./svg";

/** Colors of a figure that is printed, or shown on a dark page. */
export interface Inks {
  readonly ground: string;
  readonly ink: string;
  readonly quiet: string;
  readonly line: string;
  readonly accent: string;
}

export function inksOf(dark: boolean): Inks {
  return inks[dark ? "dark" : "light"];
}

/** What a figure is of. */
export interface Subject {
  readonly model: string;
  /** `float32`, `Q4_1` …, as far as known. */
  readonly precision: readonly string[];
  readonly text: string | null;
  readonly pair: string | null;
  /** What the decoder read; null where there is none, or the model wrote it. */
  readonly target: string | null;
  /** What was changed in the pass; empty for the model as it is. */
  readonly edits: readonly Edit[];
  readonly stack: string;
  /** The trace's hash. */
  readonly trace: string;
  readonly version: string;
}

export interface Figure {
  readonly svg: string;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** A name for a file, without its ending. */
  readonly name: string;
}

export interface Sheet {
  readonly subject: Subject;
  readonly dark: boolean;
  readonly name: string;
  /** `Head 9.4`, without the model. */
  readonly title: string;
  /** What is drawn, at which scale, and what is left out: sentences without the input, which is added. */
  readonly notes: readonly string[];
  /** Settings for programs, in the metadata. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly width: number;
  readonly height: number;
  readonly body: readonly Piece[];
}

const FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";
const MARGIN = 16;
const TITLE = { height: 34, size: 15 };
const CAPTION = { size: 12, line: 17 };
/** Characters of the input that a caption quotes; the metadata has all of them. */
const QUOTED = 220;

/** The whole SVG file. The body is drawn in its own coordinates, under the title. */
export function sheetOf(sheet: Sheet): Figure {
  const { subject, dark, width } = sheet;
  const colors = inksOf(dark);
  const full = Math.max(320, width) + 2 * MARGIN;
  const precision = subject.precision.length > 0 ? ` (${subject.precision.join(", ")})` : "";
  const edited = editNote(subject.edits);
  const title = edited === null ? sheet.title : `${sheet.title}, edited`;
  const notes = edited === null ? sheet.notes : [edited, ...sheet.notes];
  const sentences = [...notes.map(sentence), `Input: ${quoted(subject)}.`];
  const caption = sentences.join(" ");
  const origin = `${subject.model}${precision} · trace ${subject.trace.slice(0, 12)} · attnscope ${subject.version}`;
  const lines = wrapped(visible(caption), CAPTION.size, full - 2 * MARGIN);
  const origins = wrapped(visible(origin), CAPTION.size, full - 2 * MARGIN);
  const top = MARGIN + TITLE.height;
  const below = top + sheet.height + 22;
  const height = Math.ceil(below + (lines.length + origins.length) * CAPTION.line + MARGIN);
  const metadata = { attnscope: subject.version, ...subject, view: sheet.name, ...sheet.settings };
  const words = (
    text: string,
    y: number,
    quiet: boolean,
    more: Record<string, string | number> = {},
  ): Piece =>
    element(
      "text",
      { x: MARGIN, y, fill: quiet ? colors.quiet : colors.ink, "font-size": CAPTION.size, ...more },
      text,
    );
  const titleWidth = textWidth(title, TITLE.size);
  const svg = element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width: number(full),
      height: number(height),
      viewBox: `0 0 ${number(full)} ${number(height)}`,
      "font-family": FONT,
      role: "img",
    },
    element("title", {}, `${title} of ${subject.model}`),
    element("desc", {}, `${caption} ${origin}.`),
    element("metadata", {}, JSON.stringify(metadata)),
    element("rect", { width: number(full), height: number(height), fill: colors.ground }),
    words(title, MARGIN + 14, false, { "font-size": TITLE.size, "font-weight": 600 }),
    titleWidth + textWidth(subject.model, 13) + 60 < full
      ? words(subject.model, MARGIN + 14, true, { x: full - MARGIN, "text-anchor": "end", "font-size": 13 })
      : together([]),
    element("g", { transform: `translate(${MARGIN} ${top})`, class: "body" }, together(sheet.body)),
    element(
      "g",
      { class: "caption" },
      ...lines.map((line, at) => words(line, below + at * CAPTION.line, false)),
      ...origins.map((line, at) => words(line, below + (lines.length + at) * CAPTION.line, true)),
    ),
  );
  return {
    svg: `<?xml version="1.0" encoding="UTF-8"?>\n${svg.markup}\n`,
    width: full,
    height,
    name: fileName([subject.model, sheet.name, subject.text ?? ""]),
  };
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function quoted({ text, pair, target }: Subject): string {
  const quote = (words: string): string =>
    words.length <= QUOTED
      ? `“${words}”`
      : `“${words.slice(0, QUOTED).trimEnd()}…” (${words.length} characters)`;
  if (text === null) return "its text was not kept";
  const both = pair === null ? quote(text) : `${quote(text)} and ${quote(pair)}`;
  return target === null ? both : `${both}, target ${quote(target)}`;
}

/** Words as the name of a file: letters and digits of any script, at most 80 of them. */
export function fileName(parts: readonly string[]): string {
  const plain = parts.map((part) =>
    part
      .toWellFormed()
      .replace(/[^\p{Letter}\p{Number}.]+/gu, "-")
      .replace(/^[-.]+|[-.]+$/g, ""),
  );
  const name = plain.filter((part) => part !== "").join("_");
  return [...name]
    .slice(0, 80)
    .join("")
    .replace(/[-._]+$/, "");
}
