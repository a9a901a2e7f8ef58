/** The edges view as a figure: the heads with the largest weight of one edge. */

import type { EdgeRow } from "../compute/edgeRows";
import { differenceText, headName, scoreText, weightText, word } from "../marks/format";
import { signColor } from "../marks/neuron";
import { headColor } from "../marks/palette";
import type { Token } from "../wire/messages";
import { type Figure, inksOf, type Subject, sheetOf } from "./sheet";
import { element, type Piece, paint } from "./svg";

export interface EdgeRankingFigure {
  readonly subject: Subject;
  readonly query: number;
  readonly key: number;
  readonly queries: readonly Token[];
  readonly keys: readonly Token[];
  /** All heads, largest weight first. */
  readonly rows: readonly EdgeRow[];
  /** Sinks that were removed before renormalization; null if the weights include them. */
  readonly without: string | null;
  readonly dark: boolean;
}

const MOST_ROWS = 40;
const ROW = 22;
const HEADER = 26;
const SIZE = 13;
/** Right edges of number columns; left edges of the head and its bar. */
const AT = { place: 26, head: 40, bar: 92, weight: 372, rank: 452, score: 520 };
const BAR = 220;

export function edgeRankingFigure(wanted: EdgeRankingFigure): Figure {
  const { subject, query, key, queries, keys, rows, dark } = wanted;
  const inks = inksOf(dark);
  const body: Piece[] = [];
  const compared = subject.baseline !== null;
  const words = (text: string, x: number, y: number, right: boolean, quiet: boolean): Piece =>
    element(
      "text",
      {
        ...{ x, y, "font-size": SIZE, fill: quiet ? inks.quiet : inks.ink, "dominant-baseline": "central" },
        "text-anchor": right ? "end" : undefined,
      },
      text,
    );
  const middle = HEADER / 2;
  body.push(
    words("#", AT.place, middle, true, true),
    words("head", AT.head, middle, false, true),
    words(compared ? "change" : "weight", AT.weight, middle, true, true),
    words(compared ? "before → after" : "rank", AT.rank, middle, true, true),
    words("score", AT.score, middle, true, true),
  );
  const drawn = rows.slice(0, MOST_ROWS);
  for (const [at, row] of drawn.entries()) {
    const y = HEADER + (at + 0.5) * ROW;
    const value = compared ? (row.both?.difference ?? Number.NaN) : row.weight;
    const known = !Number.isNaN(value);
    const { both, rank, among } = row;
    const passes = [both?.before, both?.after].map((one) => (one == null ? "–" : weightText(one.weight, 2)));
    body.push(
      words(String(at + 1), AT.place, y, true, true),
      words(headName(row.layer, row.head), AT.head, y, false, false),
      element("rect", {
        ...{ x: AT.bar, y: y - 5, width: known ? Math.max(1, Math.abs(value) * BAR) : 0, height: 10, rx: 2 },
        ...{
          fill: paint(compared ? signColor(Math.sign(value), dark) : headColor(row.head, dark)),
          class: "bar",
        },
      }),
      words(known ? (compared ? differenceText : weightText)(value, 4) : "–", AT.weight, y, true, false),
      words(compared ? passes.join(" → ") : rank === 0 ? "–" : `${rank} of ${among}`, AT.rank, y, true, true),
      words(Number.isNaN(row.score) ? "–" : scoreText(row.score), AT.score, y, true, true),
    );
  }
  const stack = subject.stack === "" ? "" : ` of the ${subject.stack}`;
  const from = `“${word(queries[query])}” (token ${query})`;
  const to = `“${word(keys[key])}” (token ${key})`;
  const notes = compared
    ? [
        `Difference of the attention weight from ${from} to ${to} in each head${stack}, largest change first; bars go from 0 to 1, blue is larger after than before, orange smaller`,
        "Scores are those of the current pass",
      ]
    : [
        `Attention weight from ${from} to ${to} in each head${stack}, largest first; bars go from 0 to 1`,
        "Ranks are among the keys that the query can attend to",
      ];
  if (wanted.without !== null) notes.push(`Weights are renormalized without the ${wanted.without}`);
  if (drawn.length < rows.length)
    notes.push(`Only the first ${drawn.length} of ${rows.length} heads are shown`);
  return sheetOf({
    ...{ subject, dark, notes, body, width: AT.score + 4, height: HEADER + drawn.length * ROW },
    name: `edges-${query}-${key}`,
    title: `${from} to ${to}, all heads`,
    settings: { query, key, measured: wanted.without === null ? "all" : "off-sink" },
  });
}
