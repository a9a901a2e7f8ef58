/** Column headings of the neuron view. Pure. */

import type { HeadVectors } from "../../compute/neuron";
import type { Pairing } from "../../compute/rotaryPairs";
import { roughly, scaleFactor } from "../../marks/format";
import type { Columns, NumberColumn } from "./columns";
import { scoreFormula, turnText } from "./describe";
import type { Fulls, ValueSide } from "./scene";

export interface Heading {
  readonly text: string;
  /** The magnitude with full color, or how the numbers are computed; null for neither. */
  readonly below: string | null;
  readonly title: string;
  readonly x: number;
  readonly width: number;
}

const ROOM_FOR_BOTH = 104;
/** Number columns narrower than this show two digits instead of three, and narrower bars show α instead of a word. */
const NARROW = 46;
const NARROW_BARS = 66;

export function headingsOf(
  columns: Columns,
  fulls: Fulls,
  vectors: HeadVectors,
  side: ValueSide | null,
  axis: "axis" | "range",
  isDifference = false,
): readonly Heading[] {
  const named = (text: string) => (isDifference ? `Δ${text}` : text);
  const told = (title: string) => (isDifference ? `After minus before. ${title}` : title);
  const { span, fold } = columns;
  const across = vectors.dim / fold;
  const folded = fold === 1 ? "" : ` Folded into ${fold} lines of ${across} dimensions.`;
  const { scaling, softcap, biasKind } = vectors.data;
  const range = (full: number) => `±${roughly(full)}`;
  const formula = scoreFormula(vectors);
  const softmax = columns.numbers[columns.numbers.length - 1];
  const [narrow] = columns.numbers.map(({ width }) => width < NARROW);
  const short = (full: number) => `±${narrow && full >= 10 ? full.toFixed(0) : roughly(full)}`;
  const numbers: Readonly<Record<NumberColumn["name"], readonly [string, string | null, string]>> = {
    q·k: ["q · k", short(fulls.dot), "The dot product of query and key: the sum of the row’s q × k"],
    cap: ["capped", null, `The scaled dot product after the soft cap: ${formula}`],
    bias: ["bias", short(fulls.bias), "The bias that the model adds to the score for this pair of positions"],
    score: [
      "score",
      softcap === null && biasKind === null ? `×${scaleFactor(scaling)}` : null,
      `The input of the softmax: ${formula}`,
    ],
    softmax: [
      isDifference && softmax.width < NARROW_BARS ? "α" : "softmax",
      isDifference ? null : softmax.width < NARROW_BARS ? "α" : "attention",
      "The attention weight: the softmax of the scores over all unmasked keys",
    ],
  };
  // If there is an axis below the name, the range goes beside the name, space permitting.
  const beside = (full: number) => (axis === "axis" && span >= ROOM_FOR_BOTH ? ` ${range(full)}` : "");
  const vector = (text: string, x: number, full: number, title: string): Heading => ({
    text: `${named(text)}${beside(full)}`,
    below: axis === "axis" ? null : range(full),
    title: `${told(title)} Full color: ${range(full)}.${folded}`,
    x,
    width: span,
  });
  return [
    vector("query q", columns.q, fulls.q, "The query vector of each token; the selected query is framed."),
    vector("key k", columns.k, fulls.k, "The key vector of each token."),
    vector(
      "q × k",
      columns.product,
      fulls.product,
      "The elementwise product of the selected query and each key.",
    ),
    ...columns.numbers.map(({ name, x, width }): Heading => {
      const [text, below, title] = numbers[name];
      return { text: named(text), below, title: told(title), x, width };
    }),
    ...valueHeadings(columns, side),
  ];
}

function valueHeadings({ values }: Columns, side: ValueSide | null): readonly Heading[] {
  if (values === null || side === null) return [];
  const { fulls } = side;
  const v: Heading = {
    text: "value v",
    below: `±${roughly(fulls.v)}`,
    title: `The value vector of each key. Full color: ±${roughly(fulls.v)}.`,
    x: values.x,
    width: values.span,
  };
  if (values.norms === null) return [v];
  const { f, weighted, width } = values.norms;
  return [
    v,
    {
      text: "‖f(x)‖",
      below: null,
      title:
        "Norm of f(x), the key’s value vector multiplied by this head’s part of the output projection W_O. It is the norm of the head output if the query attended to this key alone (Kobayashi et al. 2020).",
      x: f,
      width,
    },
    {
      text: "α‖f(x)‖",
      below: null,
      title:
        "Attention weight times ‖f(x)‖: how much this key contributes to the head output. A key with a large weight can contribute little (Kobayashi et al. 2020).",
      x: weighted,
      width,
    },
  ];
}

export interface Tick {
  readonly text: string;
  readonly x: number;
}

const LETTER = 7;
/** How far a tick may extend beyond its column. */
const SPILL = 8;
/** Least distance between two ticks, in CSS pixels. */
const APART = 5;

/** Axis ticks at round wavelengths, along (the first line of) a vector sorted by wavelength. */
export function ticksOf(
  columns: Columns,
  pairing: Pairing,
  order: Uint16Array,
  group: 0 | 1 | 2,
): readonly Tick[] {
  const { span, fold } = columns;
  const across = order.length / fold;
  // Ticks of two columns side by side must not touch.
  const between = Math.min(columns.k - columns.q, columns.product - columns.k) - span;
  const last = span + Math.min(SPILL, between - SPILL - APART);
  const found: Tick[] = [];
  let end = Number.NEGATIVE_INFINITY;
  for (let power = 0; power < 9; power++) {
    const wanted = 10 ** power;
    let best = -1;
    for (let column = 0; column < across; column++) {
      const here = pairing.wavelength[order[column]];
      const off = Math.abs(Math.log(here / wanted));
      if (
        Number.isFinite(here) &&
        off < 0.6 &&
        (best < 0 || off < Math.abs(Math.log(pairing.wavelength[order[best]] / wanted)))
      ) {
        best = column;
      }
    }
    if (best < 0) continue;
    const text = turnText(wanted).replace(".0", "");
    const x = ((best + (group === 2 ? 1 : 0.5)) / across) * span;
    const half = (text.length * LETTER) / 2;
    if (x - half < Math.max(-SPILL, end + APART) || x + half > last) continue;
    found.push({ text, x });
    end = x + half;
  }
  return found;
}
