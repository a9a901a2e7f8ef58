/** One head as a matrix of queries by keys, with the tokens on the margins. */

import type { LayerField } from "../compute/layerField";
import { significant } from "../marks/format";
import { signColor, signShare } from "../marks/neuron";
import { darkness, SCALE_TITLES } from "../marks/scale";
import type { ViewSettings } from "../state/state";
import type { Token } from "../wire/messages";
import { droppedNotes, tokensShown } from "./droppedTokens";
import { type EdgeRules, rowDrawn } from "./edges";
import { image } from "./image";
import { columnWidth, tokenText } from "./rows";
import { type Figure, type Inks, inksOf, type Subject, sheetOf } from "./sheet";
import { element, type Piece, textWidth, together } from "./svg";

export interface MatrixFigure {
  readonly subject: Subject;
  readonly field: LayerField;
  readonly head: number;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  readonly view: ViewSettings;
  readonly sinks: ReadonlySet<number>;
  readonly sinkName: string;
  /** Pixel words for 256 steps of darkness, in the format of an ImageData. */
  readonly colors: Uint32Array;
  readonly dark: boolean;
}

const SIZE = 560;
/** The most cells along a side; with more tokens, each cell shows the largest of several weights. */
const MOST_CELLS = 1024;
const LEAST_LABEL = 13;

export async function matrixFigure(wanted: MatrixFigure): Promise<Figure> {
  const { field, head, queries, keys, view, dark } = wanted;
  const inks = inksOf(dark);
  const longest = Math.max(field.queries, field.keys);
  const pooled = Math.ceil(longest / MOST_CELLS);
  const [rows, columns] = [Math.ceil(field.queries / pooled), Math.ceil(field.keys / pooled)];
  const cell = Math.min(28, SIZE / Math.max(rows, columns));
  const shown = tokensShown(wanted, queries, keys);
  const values = cellValues(wanted, pooled, rows, columns);
  const full = field.signed ? largestIn(values) : 1;
  const pixels = Uint32Array.from(values, (value) => pixelOf(value, full, wanted));
  const labeled = cell >= LEAST_LABEL;
  const left = labeled ? columnWidth(queries, 12, 30, 130) : 34;
  const top = labeled ? columnWidth(keys, 12, 30, 130) : 20;
  const [width, height] = [columns * cell, rows * cell];
  const body: Piece[] = [
    await image(
      { width: columns, height: rows, data: new Uint8Array(pixels.buffer) },
      { x: left, y: top, width, height },
      true,
    ),
    element("rect", { x: left, y: top, width, height, fill: "none", stroke: inks.line }),
  ];
  if (labeled) {
    queries.forEach((token, row) => {
      body.push(
        tokenText(token, {
          x: left - 8,
          y: top + (row + 0.5) * cell,
          size: 12,
          room: left - 10,
          anchor: "end",
          inks,
          faint: !shown.query(row),
        }),
      );
    });
    keys.forEach((token, column) => {
      const x = left + (column + 0.5) * cell;
      body.push(
        tokenText(token, {
          ...{ x, y: top - 8, size: 12, room: top - 10, anchor: "start", turned: -90, inks },
          faint: !shown.key(column),
        }),
      );
    });
  } else {
    const step = [10, 20, 50, 100, 200, 500, 1000].find((each) => (each / pooled) * cell >= 42) ?? 2000;
    const tick = (x: number, y: number, anchor: string, text: number): Piece =>
      element(
        "text",
        { x, y, "text-anchor": anchor, "dominant-baseline": "central", "font-size": 12, fill: inks.quiet },
        String(text),
      );
    for (let at = 0; at < field.keys; at += step)
      body.push(tick(left + (at / pooled + 0.5) * cell, top - 10, "middle", at));
    for (let at = 0; at < field.queries; at += step)
      body.push(tick(left - 8, top + (at / pooled + 0.5) * cell, "end", at));
  }
  body.push(await ramp(wanted, full, left, top + height + 12, inks));
  const stack = wanted.subject.stack === "" ? "" : ` of the ${wanted.subject.stack}`;
  const notes = [
    field.signed
      ? `Difference of the attention of head ${field.layer}.${head}${stack}: rows are queries, columns are keys; blue is larger after than before, orange smaller, up to ${largestText(full)} on a ${SCALE_TITLES[view.scale]} scale`
      : `Attention of head ${field.layer}.${head}${stack}: rows are queries, columns are keys, and darkness shows the weight, from 0 to 1 on a ${SCALE_TITLES[view.scale]} scale`,
  ];
  const without = droppedNotes(wanted);
  notes.push(...without);
  if (without.length > 0) notes.push("Cells not drawn are blank");
  const numbers = field.signed ? "differences" : "weights";
  if (pooled > 1) notes.push(`Each cell shows the largest of ${pooled} × ${pooled} ${numbers}`);
  return sheetOf({
    subject: wanted.subject,
    dark,
    name: `matrix-${field.layer}.${head}`,
    title: `Head ${field.layer}.${head}`,
    notes,
    settings: {
      ...{ layer: field.layer, heads: [head], scale: view.scale, palette: view.palette, pooled },
      ...{ filter: view.filter, sinks: view.sinks },
    },
    width: left + width,
    height: top + height + 26,
    body,
  });
}

/** The color ramp: from weight 0 to weight 1, or from the lowest to the highest difference. */
async function ramp(wanted: MatrixFigure, full: number, x: number, y: number, inks: Inks): Promise<Piece> {
  const { signed } = wanted.field;
  const words = Uint32Array.from({ length: 256 }, (_, at) =>
    pixelOf(signed ? ((2 * at) / 255 - 1) * full : at / 255, full, wanted),
  );
  const [least, most] = signed ? [`−${largestText(full)}`, `+${largestText(full)}`] : ["0", "1"];
  const from = x + (signed ? 6 + textWidth(least, 12) : 14);
  const text = (at: number, anchor: string, words: string): Piece =>
    element("text", { x: at, y: y + 9, "text-anchor": anchor, "font-size": 12, fill: inks.quiet }, words);
  return together([
    text(x, "start", least),
    await image(
      { width: 256, height: 1, data: new Uint8Array(words.buffer) },
      { x: from, y, width: 96, height: 10 },
      false,
    ),
    element("rect", { x: from, y, width: 96, height: 10, fill: "none", stroke: inks.line }),
    text(from + 104, "start", most),
  ]);
}

/** The pixel of a weight, or of a difference; transparent for NaN. */
function pixelOf(value: number, full: number, { field, view, colors, dark }: MatrixFigure): number {
  if (Number.isNaN(value)) return 0;
  if (!field.signed) return colors[Math.round(255 * darkness(value, view.scale))];
  const color = signColor(signShare(value, full, view.scale), dark);
  return new Uint32Array(Uint8Array.from([...color, 255]).buffer)[0];
}

function largestIn(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Number.isNaN(value) ? 0 : Math.abs(value)), 0);
}

function largestText(full: number): string {
  return significant(full, 2);
}

/** The number of each cell: the largest drawn in it, of differences the one of largest size; NaN if there is none. */
function cellValues(wanted: MatrixFigure, pooled: number, rows: number, columns: number): Float32Array {
  const { field, head, view, sinks, queries, keys } = wanted;
  const shown = tokensShown(wanted, queries, keys);
  const rules: EdgeRules = {
    ...{ heads: [head], queryShown: shown.query, keyShown: shown.key, sinks, treatment: view.sinks },
    ...{ threshold: 0, top: null, scale: view.scale },
  };
  const drawn = Uint8Array.from({ length: field.keys }, (_, key) => (shown.key(key) ? 1 : 0));
  const most = new Float32Array(rows * columns).fill(Number.NaN);
  for (let query = 0; query < field.queries; query++) {
    if (!shown.query(query)) continue;
    const row = rowDrawn(field, head, query, rules);
    const from = Math.floor(query / pooled) * columns;
    for (let key = 0; key < row.length; key++) {
      const at = from + Math.floor(key / pooled);
      if (drawn[key] === 1 && !(Math.abs(most[at]) >= Math.abs(row[key]))) most[at] = row[key];
    }
  }
  return most;
}
