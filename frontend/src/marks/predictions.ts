/** A model's predictions as lists to display: the next token, a masked token, labels, an answer. Pure. */

import type { Prediction, Token, TraceMessage } from "../wire/messages";
import { face, percent, repeatedWords, word } from "./format";

export interface Choice {
  readonly text: string;
  /** The mark of a leading space, if the list also has the same word without one; otherwise empty. */
  readonly mark: string;
  /** The token's index in the input, if the same word occurs more than once; otherwise null. */
  readonly at: number | null;
  /** Probability from 0 to 1; null if the model returns a raw value instead. */
  readonly share: number | null;
  readonly number: string;
}

export interface PredictionList {
  readonly of: Prediction["of"] | "next";
  readonly title: string;
  /** A short title for a single line, where a colon follows it. */
  readonly short: string;
  /** The token it belongs to; null for the whole input. */
  readonly position: number | null;
  readonly list: readonly Choice[];
}

/** All predictions: the next token first, then lists for the token at `near`, then answers, then the rest. */
export function predictionLists(trace: TraceMessage, near: number | null): readonly PredictionList[] {
  const next: readonly PredictionList[] =
    trace.next === null
      ? []
      : [
          {
            ...{ of: "next", title: "Next token", short: "next", position: null },
            list: withMarks(
              trace.next.map(({ text }) => asToken(text)),
              trace.next.map(({ text, probability }) => guess(word(asToken(text)), null, probability, 0)),
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
      list: withMarks(
        one.of === "token" ? one.choices.map(({ text }) => asToken(text)) : [],
        one.choices.map(({ text, id, probability, value }) => {
          const shown =
            one.of === "token" ? word(asToken(text)) : place && tokens[id] ? word(tokens[id]) : text;
          return guess(shown, repeated.has(shown) ? id : null, probability, value);
        }),
      ),
    };
  });
  const isNear = ({ position }: PredictionList) => position !== null && position === near;
  const apart = others.filter((one) => !isNear(one));
  const answers = apart.filter(({ of }) => of === "answer");
  return [...next, ...others.filter(isNear), ...answers, ...apart.filter((one) => !answers.includes(one))];
}

/** The lists to show, at most `most`, and the number of others. Of token labels, only the list for the token at `near` is kept. */
export function listsToShow(all: readonly PredictionList[], near: number | null, most: number) {
  const wanted = all.filter(({ of, position }) => near === null || of !== "token_label" || position === near);
  const lists = wanted.slice(0, most);
  return { lists, more: all.length - lists.length };
}

/** A probability with two decimals; a small one is `<0.01`, never 0.00. */
export function chance(share: number): string {
  return share > 0 && share < 0.005 ? "<0.01" : share.toFixed(2);
}

function titlesOf({ of, position, exclusive }: Prediction, token: Token | undefined) {
  const at = token === undefined ? `token ${position}` : `${word(token)} ${position}`;
  switch (of) {
    case "token":
      return { title: `Prediction for ${at}`, short: at };
    case "label":
      return exclusive
        ? { title: "Label", short: "label" }
        : { title: "Labels (independent)", short: "labels" };
    case "token_label":
      return { title: `Label of ${at}`, short: at };
    case "start":
      return { title: "Answer start", short: "start" };
    case "end":
      return { title: "Answer end", short: "end" };
    case "answer":
      return { title: "Answer", short: "answer" };
  }
}

function guess(text: string, at: number | null, probability: number | null, value: number): Choice {
  const number = probability === null ? value.toPrecision(3).replace("-", "−") : percent(probability);
  return { text, mark: "", at, share: probability, number };
}

function asToken(text: string): Token {
  return { text, id: 0, special: false, sentence: null, continues: false, raw: false };
}

/** Marks the leading spaces of words that would look alike otherwise: `the` and ` the`. */
function withMarks(tokens: readonly Token[], list: readonly Choice[]): readonly Choice[] {
  const seen = new Set<string>();
  const alike = new Set<string>();
  for (const { text } of list) (seen.has(text) ? alike : seen).add(text);
  return list.map((choice, at) =>
    tokens[at] && alike.has(choice.text) ? { ...choice, mark: face(tokens[at]).before } : choice,
  );
}
