/** A prediction before and after, as rows of a chart: the most probable choices, and all others together. Pure. */

import type { ControlMessage, EffectMessage, TraceMessage } from "../wire/messages";
import { type Axis, axisOf, probabilityAxis } from "./axis";

export interface PredictionRow {
  /** The text of the token or label; null for all others together. */
  readonly text: string | null;
  /** Ranks among all choices; null if they are not known. */
  readonly ranks: { readonly before: number; readonly after: number } | null;
  /** The probability, or the logit where there is none; null while it is not known. */
  readonly before: number | null;
  readonly after: number | null;
  /** The same after each draw of a control. */
  readonly elsewhere: readonly number[];
}

export interface PredictionChart {
  readonly rows: readonly PredictionRow[];
  readonly axis: Axis;
  /** Whether the numbers are probabilities. */
  readonly shares: boolean;
  /** How many further choices could be listed. */
  readonly more: number;
}

/** The chart of an effect. `fresh` says whether its pass is the one after; otherwise only the numbers before are known. */
export function chartOf(
  effect: EffectMessage,
  control: ControlMessage | null,
  most: number,
  fresh: boolean,
): PredictionChart {
  const { tokens, others } = effect;
  const shares = tokens.every(
    ({ before, after }) => before.probability !== null && after.probability !== null,
  );
  const number = ({ probability, value }: (typeof tokens)[number]["before"]) =>
    shares ? probability : value;
  const size = (one: (typeof tokens)[number]) => Math.max(number(one.before) ?? 0, number(one.after) ?? 0);
  const order = tokens.map((_, at) => at).sort((a, b) => size(tokens[b]) - size(tokens[a]));
  const listed = order.slice(0, most);
  const draws = fresh && shares ? (control?.tokens ?? []) : [];
  const rows = listed
    .sort((a, b) => (number(tokens[b].before) ?? 0) - (number(tokens[a].before) ?? 0))
    .map((at): PredictionRow => {
      const { text, before, after } = tokens[at];
      return {
        text,
        ranks: fresh ? { before: before.rank, after: after.rank } : null,
        before: number(before),
        after: fresh ? number(after) : null,
        elsewhere: draws.flatMap((draw) => draw[at] ?? []),
      };
    });
  const rest = others === null ? [] : [restOf(rows, draws, listed)];
  return {
    rows: [...rows, ...rest],
    axis: shares ? probabilityAxis(numbersOf([...rows, ...rest])) : axisOf(numbersOf(rows)),
    shares,
    more: tokens.length - listed.length,
  };
}

/** The chart of a baseline whose effect has not arrived: the most probable next tokens. */
export function baselineChart({ next }: TraceMessage, most: number): PredictionChart {
  const all = next ?? [];
  const rows = all.slice(0, most).map(
    ({ text, probability }): PredictionRow => ({
      ...{ text, ranks: null, before: probability, after: null, elsewhere: [] },
    }),
  );
  const rest = rows.length === 0 ? [] : [restOf(rows, [], [])];
  return {
    rows: [...rows, ...rest],
    axis: probabilityAxis(numbersOf([...rows, ...rest])),
    shares: true,
    more: 0,
  };
}

/** What is left of a probability of 1. */
function restOf(
  rows: readonly PredictionRow[],
  draws: readonly (readonly (number | null)[])[],
  listed: readonly number[],
): PredictionRow {
  const left = (shares: readonly (number | null)[]): number | null =>
    shares.includes(null)
      ? null
      : Math.max(
          0,
          shares.reduce<number>((rest, share) => rest - (share ?? 0), 1),
        );
  return {
    ...{ text: null, ranks: null },
    before: left(rows.map(({ before }) => before)),
    after: left(rows.map(({ after }) => after)),
    elsewhere: draws.flatMap((draw) => left(listed.map((at) => draw[at] ?? null)) ?? []),
  };
}

function numbersOf(rows: readonly PredictionRow[]): readonly number[] {
  return rows
    .flatMap(({ before, after, elsewhere }) => [before, after, ...elsewhere])
    .filter((one) => one !== null);
}
