/** Texts about measures of heads. Pure. */

import type { HeadValue, Measured } from "../../compute/measures";
import { repeatedWords, word } from "../../marks/format";
import type { HeadPlace } from "../../state/state";
import type { Measure, Token } from "../../wire/messages";

/** A measure with its values for all heads. */
export interface ShownMeasure extends Measure {
  readonly value: HeadValue;
  /** The defined values. */
  readonly values: readonly number[];
  /** The smallest and the largest value; null if none is defined. */
  readonly bounds: readonly [number, number] | null;
}

/** The measures with values, with the descriptions from `hello`. */
export function measuresOf(described: readonly Measure[], measured: Measured | null): readonly Measure[] {
  if (measured === null) return described;
  const plain = (name: string): Measure => ({
    name,
    title: name,
    unit: "",
    range: [null, null],
    sentence: "",
  });
  return measured.names.map((name) => described.find((each) => each.name === name) ?? plain(name));
}

/** The weight of one edge as a measure of heads. */
export function edgeMeasure(
  { query, key }: { readonly query: number; readonly key: number },
  queries: readonly Token[],
  keys: readonly Token[],
): Measure {
  return {
    name: "edge",
    title: `${tokenName(queries, query)} → ${tokenName(keys, key)}`,
    unit: "",
    range: [0, 1],
    sentence: "The attention weight from the pinned query to the pinned key.",
  };
}

/** A token by its word, with its position if the word occurs more than once. */
export function tokenName(tokens: readonly Token[], index: number): string {
  const token = tokens[index];
  if (token === undefined) return String(index);
  return repeatedWords(tokens).has(word(token)) ? `${word(token)}\u00a0${index}` : word(token);
}

/** A value with enough digits to distinguish heads: `0.347`, `12.5`, `128`. */
export function valueText(value: number): string {
  if (Number.isNaN(value)) return "–";
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  return value.toFixed(digits).replace("-", "−");
}

export function withUnit(value: number, unit: string): string {
  return unit === "" || Number.isNaN(value) ? valueText(value) : `${valueText(value)} ${unit}`;
}

export function describedMeasure(measure: Measure, value: number): string {
  const text = Number.isNaN(value) ? "undefined" : withUnit(value, measure.unit);
  return `${measure.title} ${text}`;
}

/** A measure of a head, with its rank. */
export interface HeadFact {
  readonly name: string;
  readonly title: string;
  readonly value: string;
  /** Rank among all heads, 1 for the largest. */
  readonly rank: number;
  readonly among: number;
}

const TELLING = 5;

/** The measures in which a head is most unusual, with the chosen measure first. */
export function tellingFacts(
  place: HeadPlace,
  measures: readonly Measure[],
  measured: Measured,
  offSink: boolean,
  chosen: string | null,
): readonly HeadFact[] {
  const facts = measures.flatMap(({ name, title, unit }) => {
    const value = measured.value(name, offSink)(place);
    if (Number.isNaN(value)) return [];
    const { rank, among } = measured.rank(name, offSink, value);
    return [{ name, title, value: withUnit(value, unit), rank, among }];
  });
  const ordinary = ({ rank, among }: HeadFact) => Math.min(rank - 1, (among - rank) * 1.5);
  const first = facts.filter(({ name }) => name === chosen);
  const others = facts.filter(({ name }) => name !== chosen).sort((a, b) => ordinary(a) - ordinary(b));
  return [...first, ...others.slice(0, TELLING)];
}

export function rankText({ rank, among }: HeadFact): string {
  if (rank <= among / 2 || among < 3) return `${rank} of ${among}`;
  return rank === among ? `lowest of ${among}` : `${rank} of ${among}`;
}
