/** What a model predicts, as lists for a person: the next token, the one behind a mask, a label, an answer. Pure. */

import type { Prediction, Token, TraceMessage } from "../wire/messages";
import { percent, repeatedWords, word } from "./format";

export interface Choice {
  readonly text: string;
  /** Its place in the input, where it is one of several such words there. */
  readonly at: number | null;
  /** From 0 to 1; null where the model gives a number and no probability. */
  readonly share: number | null;
  readonly number: string;
}

export interface PredictionList {
  readonly of: Prediction["of"] | "next";
  readonly title: string;
  /** For a line of its own, with a colon after it. */
  readonly short: string;
  /** The token that it is of; null for the whole input. */
  readonly position: number | null;
  readonly list: readonly Choice[];
}

/** All that is predicted, the next token first; lists about the token at `near` come before others, a whole answer before its ends. */
export function predictionLists(trace: TraceMessage, near: number | null): readonly PredictionList[] {
  const next: readonly PredictionList[] =
    trace.next === null
      ? []
      : [
          {
            ...{ of: "next", title: "Next token", short: "next", position: null },
            list: trace.next.map(({ text, id, probability }) =>
              guess(asWord(text, id), null, probability, 0),
            ),
          },
        ];
  const tokens = Object.values(trace.tokens)[0] ?? [];
  const others = (trace.predictions ?? []).map((one): PredictionList => {
    const of = one.position === null ? undefined : tokens[one.position];
    const place = one.of === "start" || one.of === "end";
    const repeated = place ? repeatedWords(tokens) : new Set<string>();
    return {
      ...titlesOf(one, of),
      ...{ of: one.of, position: one.position },
      list: one.choices.map(({ text, id, probability, value }) => {
        const said = one.of === "token" ? asWord(text, id) : place && tokens[id] ? word(tokens[id]) : text;
        return guess(said, repeated.has(said) ? id : null, probability, value);
      }),
    };
  });
  const isNear = ({ position }: PredictionList) => position !== null && position === near;
  const apart = others.filter((one) => !isNear(one));
  const answers = apart.filter(({ of }) => of === "answer");
  return [...next, ...others.filter(isNear), ...answers, ...apart.filter((one) => !answers.includes(one))];
}

/** The lists to show at once, and how many are left out. Of labels of tokens, one that is looked at has its own alone. */
export function listsToShow(all: readonly PredictionList[], near: number | null, most: number) {
  const wanted = all.filter(({ of, position }) => near === null || of !== "token_label" || position === near);
  const lists = wanted.slice(0, most);
  return { lists, more: all.length - lists.length };
}

/** A probability in a line: two decimals, and never a zero that is none. */
export function chance(share: number): string {
  return share > 0 && share < 0.005 ? "<0.01" : share.toFixed(2);
}

function titlesOf({ of, position, exclusive }: Prediction, token: Token | undefined) {
  const at = token === undefined ? `token ${position}` : `${word(token)} ${position}`;
  switch (of) {
    case "token":
      return { title: `Behind ${at}`, short: at };
    case "label":
      return exclusive
        ? { title: "Label", short: "label" }
        : { title: "Labels, each by itself", short: "labels" };
    case "token_label":
      return { title: `Label of ${at}`, short: at };
    case "start":
      return { title: "The answer begins at", short: "begins" };
    case "end":
      return { title: "The answer ends at", short: "ends" };
    case "answer":
      return { title: "Answer", short: "answer" };
  }
}

function guess(text: string, at: number | null, probability: number | null, value: number): Choice {
  const number = probability === null ? value.toPrecision(3).replace("-", "−") : percent(probability);
  return { text, at, share: probability, number };
}

function asWord(text: string, id: number): string {
  return word({ text, id, special: false, sentence: null, continues: false, raw: false });
}
