/** The model view as a figure: a thumbnail for every head, with layers as rows. */

import { changed } from "../marks/appearance";
import type { Box, PixelBuffer } from "../marks/composite";
import { image } from "./image";
import { type Figure, type Inks, inksOf, type Subject, sheetOf } from "./sheet";
import { element, type Piece, textWidth } from "./svg";

export interface HeadCell {
  readonly layer: number;
  readonly head: number;
  /** Position in the grid: layer and head, unless the heads are sorted. */
  readonly row: number;
  readonly column: number;
  /** The head's name, if its position does not tell it; otherwise null. */
  readonly label: string | null;
}

/** The colors of a tint, with the values at their ends. */
export interface ModelLegend {
  readonly title: string;
  readonly least: string;
  readonly most: string;
  readonly colors: Uint32Array;
}

export interface ModelFigure {
  readonly subject: Subject;
  readonly cells: readonly HeadCell[];
  /** The name of each row: its layer, or the rank of its first head. */
  readonly rowNames: readonly string[];
  /** The name of each column; empty if heads are sorted within their rows. */
  readonly columnNames: readonly string[];
  /** Rows of layers without attention. */
  readonly absentRows: readonly number[];
  /** The title, such as `144 heads`. */
  readonly title: string;
  readonly order: string;
  readonly legend: ModelLegend | null;
  /** Draws the thumbnail of a head; returns false if it has not loaded. */
  readonly compose: (pixels: PixelBuffer, box: Box, cell: HeadCell, ratio: number) => boolean;
  /** What an edit did to a head; null if nothing. */
  readonly mark: (cell: HeadCell) => "changed" | "off" | null;
  readonly selected: { readonly layer: number; readonly heads: readonly number[] };
  readonly look: "lines" | "map";
  readonly notes: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly dark: boolean;
}

const RATIO = 2;
const LEFT = 34;
const HEADINGS = 22;
const BARE = 4;
const GAP = 4;
/** The corner of a changed head. */
const CORNER = 10;
const MOST_PIXELS = 24e6;

export async function modelFigure(wanted: ModelFigure): Promise<Figure> {
  const { cells, dark, rowNames } = wanted;
  const inks = inksOf(dark);
  const rows = Math.max(1, rowNames.length);
  const columns = Math.max(1, ...cells.map((cell) => cell.column + 1));
  const wide = Math.max(18, Math.min(wanted.look === "lines" ? 64 : 48, Math.floor(900 / columns) - GAP));
  const high = wanted.look === "lines" ? Math.max(14, Math.round(wide * 0.66)) : wide;
  const [across, down] = [wide + GAP, high + GAP];
  const [width, height] = [columns * across - GAP, rows * down - GAP];
  const ratio = Math.min(RATIO, Math.sqrt(MOST_PIXELS / (width * height)));
  const pixels: PixelBuffer = {
    width: Math.round(width * ratio),
    height: Math.round(height * ratio),
    words: new Uint32Array(Math.round(width * ratio) * Math.round(height * ratio)),
  };
  const top = wanted.columnNames.length > 0 ? HEADINGS : BARE;
  const frames: Piece[] = [];
  let missing = 0;
  for (const cell of cells) {
    const box = {
      x: Math.round(cell.column * across * ratio),
      y: Math.round(cell.row * down * ratio),
      width: Math.floor(wide * ratio),
      height: Math.floor(high * ratio),
    };
    if (!wanted.compose(pixels, box, cell, ratio)) missing += 1;
    const chosen = cell.layer === wanted.selected.layer && wanted.selected.heads.includes(cell.head);
    const [x, y] = [LEFT + cell.column * across, top + cell.row * down];
    frames.push(
      element("rect", {
        ...{ x: x - 0.5, y: y - 0.5, width: wide + 1, height: high + 1, rx: 2, fill: "none" },
        stroke: chosen ? inks.ink : inks.line,
        "stroke-width": chosen ? 2 : 1,
        class: "head",
      }),
    );
    const mark = wanted.mark(cell);
    if (mark !== null) frames.push(changedMark(mark, { x, y, wide, high }, inks, dark));
  }
  const data = new Uint8Array(pixels.words.buffer);
  const body: Piece[] = [
    await image(
      { width: pixels.width, height: pixels.height, data },
      { x: LEFT, y: top, width, height },
      false,
    ),
    ...frames,
  ];
  const name = (x: number, y: number, anchor: string, text: string): Piece =>
    element(
      "text",
      { x, y, "text-anchor": anchor, "dominant-baseline": "central", "font-size": 12, fill: inks.quiet },
      text,
    );
  rowNames.forEach((text, row) => {
    body.push(name(LEFT - 8, top + row * down + high / 2, "end", text));
  });
  for (const cell of cells)
    if (cell.label !== null) body.push(labelOf(cell.label, wanted, inks, cell, { across, down, wide, top }));
  for (const row of wanted.absentRows)
    body.push(name(LEFT + 4, top + row * down + high / 2, "start", "no attention"));
  const step = [1, 2, 5, 10].find((each) => each * across >= 22) ?? 20;
  wanted.columnNames.forEach((text, column) => {
    if (column % step === 0) body.push(name(LEFT + column * across + wide / 2, top - 10, "middle", text));
  });
  const stack = wanted.subject.stack === "" ? "the model" : `the ${wanted.subject.stack}`;
  const legend = wanted.legend && (await legendPieces(wanted.legend, top + height + 12, inks));
  body.push(...(legend ?? []));
  const what = wanted.subject.baseline === null ? "Attention" : "Difference of the attention";
  const notes = [`${what} of every head of ${stack}: ${wanted.order}`, ...wanted.notes];
  const marks = new Set(cells.map(wanted.mark));
  if (marks.has("changed") || marks.has("off"))
    notes.push(
      `Heads with a red corner were changed${marks.has("off") ? "; those with a stroke are off" : ""}`,
    );
  if (missing > 0) notes.push(`${missing} of ${cells.length} thumbnails had not loaded`);
  return sheetOf({
    subject: wanted.subject,
    dark,
    name: "model",
    title: wanted.title,
    notes,
    settings: wanted.settings,
    width: LEFT + width,
    height: top + height + (legend === null ? 0 : 28),
    body,
  });
}

/** A corner for a changed head, and a stroke across one that is off. */
function changedMark(
  mark: "changed" | "off",
  { x, y, wide, high }: Readonly<Record<"x" | "y" | "wide" | "high", number>>,
  inks: Inks,
  dark: boolean,
): Piece {
  const color = changed[dark ? "dark" : "light"];
  const line = { d: `M${x + 1} ${y + high - 1}L${x + wide - 1} ${y + 1}`, fill: "none" };
  const slash = [
    element("path", { ...line, stroke: inks.ground, "stroke-width": 4 }),
    element("path", { ...line, stroke: color, "stroke-width": 1.75 }),
  ];
  return element(
    "g",
    { class: mark },
    ...(mark === "off" ? slash : []),
    element("path", { d: `M${x + wide - CORNER} ${y}h${CORNER}v${CORNER}z`, fill: color }),
  );
}

/** A head's name in the corner of its thumbnail. */
function labelOf(
  text: string,
  { selected, mark }: ModelFigure,
  inks: Inks,
  { layer, head, row, column }: HeadCell,
  { across, down, wide, top }: Readonly<Record<"across" | "down" | "wide" | "top", number>>,
): Piece {
  const on = layer === selected.layer && selected.heads.includes(head);
  const room = Math.min(wide, textWidth(text, 12) + 5);
  const corner = mark({ layer, head, row, column, label: text }) === null ? 0 : CORNER;
  const [right, y] = [LEFT + column * across + wide - corner, top + row * down];
  return element(
    "g",
    { class: "label" },
    element("rect", { x: right - room, y, width: room, height: 14, fill: inks.ground, "fill-opacity": 0.88 }),
    element(
      "text",
      {
        ...{ x: right - 2, y: y + 11, "text-anchor": "end", "font-size": 12 },
        ...{ fill: on ? inks.ink : inks.quiet, "font-weight": on ? 650 : undefined },
      },
      text,
    ),
  );
}

const RAMP = 128;

async function legendPieces(legend: ModelLegend, y: number, inks: Inks): Promise<readonly Piece[]> {
  const words = (x: number, text: string, fill: string): Piece =>
    element("text", { x, y: y + 9, "font-size": 12, fill }, text);
  const least = LEFT + textWidth(legend.title, 12) + 12;
  const x = least + textWidth(legend.least, 12) + 6;
  const box = { x, y, width: RAMP, height: 10 };
  const data = new Uint8Array(legend.colors.buffer);
  return [
    words(LEFT, legend.title, inks.ink),
    words(least, legend.least, inks.quiet),
    await image({ width: legend.colors.length, height: 1, data }, box, false),
    element("rect", { ...box, fill: "none", stroke: inks.line }),
    words(x + RAMP + 6, legend.most, inks.quiet),
  ];
}
