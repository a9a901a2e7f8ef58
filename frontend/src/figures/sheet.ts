/** The frame of a figure: background, title, caption, and metadata about its origin. */

import { inks } from "../marks/appearance";
import type { Edit } from "../wire/messages";
import { editCount, editNote } from "./edits";
import { fileName } from "./fileName";
import { element, number, type Piece, textWidth, together, visible, wrapped } from "./svg";

/** Colors of a figure for print, or for a dark page. */
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

/** The subject of a figure. */
export interface Subject {
  readonly model: string;
  /** The short name that selects the model, if known. */
  readonly modelName: string | null;
  /** `float32`, `Q4_1`, …, if known. */
  readonly precision: readonly string[];
  readonly text: string | null;
  readonly pair: string | null;
  /** The decoder input; null if there is no decoder or the model generated it. */
  readonly target: string | null;
  /** The edits of the forward pass; empty for the unmodified model. */
  readonly edits: readonly Edit[];
  readonly stack: string;
  /** The hash of the trace. */
  readonly trace: string;
  /** The pass that was subtracted, if the figure shows differences; otherwise null. */
  readonly baseline: Baseline | null;
  readonly version: string;
}

/** What a figure names of the pass that was subtracted. */
export interface Baseline extends Pick<Subject, "model" | "text" | "pair" | "target" | "edits" | "trace"> {
  /** What is subtracted from what: `after − before`. */
  readonly difference: string;
}

export interface Figure {
  readonly svg: string;
  /** CSS pixels. */
  readonly width: number;
  readonly height: number;
  /** A file name without extension. */
  readonly name: string;
}

export interface Sheet {
  readonly subject: Subject;
  readonly dark: boolean;
  readonly name: string;
  /** `Head 9.4`, without the model. */
  readonly title: string;
  /** Sentences on what is drawn, at which scale, and what is omitted. The input is added to them. */
  readonly notes: readonly string[];
  /** Machine-readable settings for the metadata. */
  readonly settings: Readonly<Record<string, unknown>>;
  readonly width: number;
  readonly height: number;
  readonly body: readonly Piece[];
}

const FONT = "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, sans-serif";
const MARGIN = 16;
const TITLE = { height: 34, size: 15 };
const CAPTION = { size: 12, line: 17 };
/** The most characters of the input that a caption quotes. The metadata has the full input. */
const QUOTED = 220;

/** Builds the SVG file. The body is drawn in its own coordinates, below the title. */
export function sheetOf(sheet: Sheet): Figure {
  const { subject, dark, width } = sheet;
  const colors = inksOf(dark);
  const full = Math.max(320, width) + 2 * MARGIN;
  const precision = subject.precision.length > 0 ? ` (${subject.precision.join(", ")})` : "";
  const edited = editNote(subject.edits);
  const { baseline } = subject;
  const title =
    baseline !== null
      ? `${sheet.title}: ${baseline.difference}`
      : edited === null
        ? sheet.title
        : `${sheet.title}, edited`;
  const passes = baseline === null ? [] : [differenceNote(subject, baseline)];
  const notes = [...passes, ...(edited === null ? [] : [edited]), ...sheet.notes];
  const sentences = [...notes.map(sentence), `Input: ${quoted(subject)}.`];
  const caption = sentences.join(" ");
  const origin = `${subject.model}${precision} · trace ${traces(subject)} · attnscope ${subject.version}`;
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
    name: fileName(
      subject.modelName ?? subject.model,
      subject.stack === "" ? sheet.name : `${subject.stack}-${sheet.name}`,
      subject.text,
    ),
  };
}

/** The first characters of the trace's id, and of that which was subtracted. */
function traces({ baseline, trace }: Subject): string {
  return [trace, ...(baseline === null ? [] : [baseline.trace])].map((id) => id.slice(0, 12)).join(" − ");
}

/** Names the two passes of a difference. The current one is the input that every caption quotes. */
function differenceNote(subject: Subject, baseline: Baseline): string {
  const { model, text, pair, target, edits } = baseline;
  const sameInput = text === subject.text && pair === subject.pair && target === subject.target;
  const input = sameInput ? "the same input" : quoted(baseline);
  const where = model === subject.model ? "" : ` in ${model}`;
  const how =
    edits.length > 0 ? ` with ${editCount(edits)}` : sameInput && where === "" ? " without edits" : "";
  return `Difference: ${baseline.difference}; the baseline is ${input}${where}${how}`;
}

function sentence(text: string): string {
  const whole = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
}

function quoted({ text, pair, target }: Pick<Subject, "text" | "pair" | "target">): string {
  const quote = (words: string): string =>
    words.length <= QUOTED
      ? `“${words}”`
      : `“${words.slice(0, QUOTED).trimEnd()}…” (${words.length} characters)`;
  if (text === null) return "text not saved";
  const both = pair === null ? quote(text) : `${quote(text)} and ${quote(pair)}`;
  return target === null ? both : `${both}, target ${quote(target)}`;
}
