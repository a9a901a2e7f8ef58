/** The model view as a figure: a thumbnail for every head, rows are layers. */

import type { Box, Picture } from "../marks/composite";
import { image } from "./image";
import { type Figure, inksOf, type Subject, sheetOf } from "./sheet";
import { element, type Piece } from "./svg";

export interface HeadCell {
  readonly layer: number;
  readonly head: number;
  /** Where it stands: the layer and the head, unless the heads are sorted. */
  readonly row: number;
  readonly column: number;
}

export interface ModelFigure {
  readonly subject: Subject;
  readonly cells: readonly HeadCell[];
  /** What each row is called; `layer` where nobody sorted the rows. */
  readonly rowNames: readonly string[];
  /** What each column is called; empty where heads are sorted within their rows. */
  readonly columnNames: readonly string[];
  /** Composes the thumbnail of a head; false where it is not there. */
  readonly compose: (picture: Picture, box: Box, cell: HeadCell, ratio: number) => boolean;
  readonly selected: { readonly layer: number; readonly heads: readonly number[] };
  readonly look: "lines" | "map";
  readonly notes: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly dark: boolean;
}

const RATIO = 2;
const LEFT = 34;
const TOP = 22;
const GAP = 4;
const MOST_PIXELS = 24e6;

export async function modelFigure(wanted: ModelFigure): Promise<Figure> {
  const { cells, dark, rowNames } = wanted;
  const inks = inksOf(dark);
  const rows = rowNames.length;
  const columns = Math.max(1, ...cells.map((cell) => cell.column + 1));
  const wide = Math.max(18, Math.min(wanted.look === "lines" ? 64 : 48, Math.floor(900 / columns) - GAP));
  const high = wanted.look === "lines" ? Math.max(14, Math.round(wide * 0.66)) : wide;
  const [across, down] = [wide + GAP, high + GAP];
  const [width, height] = [columns * across - GAP, rows * down - GAP];
  const ratio = Math.min(RATIO, Math.sqrt(MOST_PIXELS / (width * height)));
  const picture: Picture = {
    width: Math.round(width * ratio),
    height: Math.round(height * ratio),
    words: new Uint32Array(Math.round(width * ratio) * Math.round(height * ratio)),
  };
  const frames: Piece[] = [];
  let missing = 0;
  for (const cell of cells) {
    const box = {
      x: Math.round(cell.column * across * ratio),
      y: Math.round(cell.row * down * ratio),
      width: Math.floor(wide * ratio),
      height: Math.floor(high * ratio),
    };
    if (!wanted.compose(picture, box, cell, ratio)) missing += 1;
    const chosen = cell.layer === wanted.selected.layer && wanted.selected.heads.includes(cell.head);
    const [x, y] = [LEFT + cell.column * across, TOP + cell.row * down];
    frames.push(
      element("rect", {
        ...{ x: x - 0.5, y: y - 0.5, width: wide + 1, height: high + 1, rx: 2, fill: "none" },
        stroke: chosen ? inks.ink : inks.line,
        "stroke-width": chosen ? 2 : 1,
        class: "head",
      }),
    );
  }
  const data = new Uint8Array(picture.words.buffer);
  const body: Piece[] = [
    await image(
      { width: picture.width, height: picture.height, data },
      { x: LEFT, y: TOP, width, height },
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
    body.push(name(LEFT - 8, TOP + row * down + high / 2, "end", text));
  });
  const step = [1, 2, 5, 10].find((each) => each * across >= 22) ?? 20;
  wanted.columnNames.forEach((text, column) => {
    if (column % step === 0) body.push(name(LEFT + column * across + wide / 2, TOP - 10, "middle", text));
  });
  const stack = wanted.subject.stack === "" ? "the model" : `the ${wanted.subject.stack}`;
  const notes = [`Attention of every head of ${stack}: a row is a layer, a column a head`, ...wanted.notes];
  if (missing > 0) notes.push(`${missing} of ${cells.length} thumbnails had not arrived`);
  return sheetOf({
    subject: wanted.subject,
    dark,
    name: "model",
    title: `${cells.length} heads`,
    notes,
    settings: wanted.settings,
    width: LEFT + width,
    height: TOP + height,
    body,
  });
}
