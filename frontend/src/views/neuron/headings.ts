/** What stands over the columns of the neuron view. Pure. */

import type { HeadVectors } from "../../compute/neuron";
import type { Columns, NumberColumn } from "./columns";
import type { Fulls } from "./paint";
import { roughly, scoreFormula } from "./say";

export interface Heading {
  readonly text: string;
  /** The magnitude at which the column's colour is full, or how its numbers come about; null for neither. */
  readonly below: string | null;
  readonly title: string;
  readonly x: number;
  readonly width: number;
}

export function headingsOf(columns: Columns, fulls: Fulls, vectors: HeadVectors): readonly Heading[] {
  const { span, fold } = columns;
  const across = vectors.dim / fold;
  const folded = fold === 1 ? "" : ` Folded into ${fold} lines of ${across} dimensions.`;
  const { scaling, softcap, biasKind } = vectors.data;
  const range = (full: number) => `±${roughly(full)}`;
  const formula = scoreFormula(vectors);
  const numbers: Readonly<Record<NumberColumn["name"], readonly [string, string | null, string]>> = {
    q·k: ["q · k", range(fulls.dot), "The sum of a row's q × k"],
    cap: ["capped", null, `The scaled product after the soft cap: ${formula}`],
    bias: ["bias", range(fulls.bias), "What the model adds to the score for this pair of positions"],
    score: [
      "score",
      softcap === null && biasKind === null ? `×${Number(scaling.toPrecision(3))}` : null,
      `What the softmax gets: ${formula}`,
    ],
    softmax: ["softmax", "attention", "The softmax of the score over the allowed keys"],
  };
  const vector = (text: string, x: number, full: number, title: string): Heading => ({
    text,
    below: range(full),
    title: `${title} The colour is full from ${range(full)} on.${folded}`,
    x,
    width: span,
  });
  return [
    vector("query q", columns.q, fulls.q, "The query vector of each token; the selected one is framed."),
    vector("key k", columns.k, fulls.k, "The key vector of each token."),
    vector(
      "q × k",
      columns.product,
      fulls.product,
      "The selected query times each key, dimension by dimension.",
    ),
    ...columns.numbers.map(({ name, x, width }): Heading => {
      const [text, below, title] = numbers[name];
      return { text, below, title, x, width };
    }),
  ];
}
