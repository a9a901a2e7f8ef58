/** What a model predicts, as lists for a person: the next token, the one behind a mask, a label, an answer. Pure. */

import type { Prediction, Token, TraceMessage } from "../wire/messages";
import { percent, word } from "./format";

export interface Guess {
  readonly text: string;
  /** From 0 to 1; null where the model gives a number and no probability. */
  readonly share: number | null;
  readonly number: string;
}

export interface Guesses {
  readonly title: string;
  /** For a line of its own, with a colon after it. */
  readonly short: string;
  /** The token that it is of; null for the whole input. */
  readonly position: number | null;
  readonly list: readonly Guess[];
}

/** All that is predicted, the next token first; lists about the token at `near` come before others. */
export function guessesOf(trace: TraceMessage, near: number | null): readonly Guesses[] {
  const next: readonly Guesses[] =
    trace.next === null
      ? []
      : [
          {
            ...{ title: "Next token", short: "next", position: null },
            list: trace.next.map(({ text, id, probability }) => guess(asWord(text, id), probability, 0)),
          },
        ];
  const tokens = Object.values(trace.tokens)[0] ?? [];
  const others = (trace.predictions ?? []).map((one): Guesses => {
    const of = one.position === null ? undefined : tokens[one.position];
    return {
      ...titlesOf(one, of),
      position: one.position,
      list: one.choices.map(({ text, id, probability, value }) =>
        guess(one.of === "token" ? asWord(text, id) : text, probability, value),
      ),
    };
  });
  const isNear = ({ position }: Guesses) => position !== null && position === near;
  return [...next, ...others.filter(isNear), ...others.filter((one) => !isNear(one))];
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

function guess(text: string, probability: number | null, value: number): Guess {
  const number = probability === null ? value.toPrecision(3).replace("-", "−") : percent(probability);
  return { text, share: probability, number };
}

function asWord(text: string, id: number): string {
  return word({ text, id, special: false, sentence: null, continues: false, raw: false });
}
