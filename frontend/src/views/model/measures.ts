/** Texts about measures of heads. Pure. */

import { type HeadValue, known, type Measured } from "../../compute/measures";
import { repeatedWords, word } from "../../marks/format";
import type { HeadPlace } from "../../state/state";
import type { Measure, Token } from "../../wire/messages";
import { pairedWord } from "../shared/counterparts";

/** A measure with its values for all heads. */
export interface ShownMeasure extends Measure {
  readonly value: HeadValue;
  /** The defined values. */
  readonly values: readonly number[];
  /** The smallest and the largest value; null if none is defined. For a difference, both ends are equally far from 0. */
  readonly bounds: readonly [number, number] | null;
  /** Whether the values are differences from the baseline. */
  readonly signed: boolean;
  /** Which pass the values are from, if differences are shown; otherwise null. */
  readonly pass: string | null;
}

/** A measure with its values over the heads of each layer. */
export function shownMeasure(
  of: Measure,
  value: HeadValue,
  heads: readonly number[],
  { signed, pass }: Pick<ShownMeasure, "signed" | "pass">,
): ShownMeasure {
  const values = known(value, heads.entries());
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const far = Math.max(-least, most);
  const bounds = values.length === 0 ? null : signed ? ([-far, far] as const) : ([least, most] as const);
  return { ...of, value, values, bounds, signed, pass };
}

/** The values of the current pass minus those of the baseline, in heads that correspond. */
export function differenceOf(current: HeadValue, baseline: HeadValue, heads: readonly number[]): HeadValue {
  return (place) => (place.head < (heads[place.layer] ?? 0) ? current(place) - baseline(place) : Number.NaN);
}

/** A head's position in a tint: from 0 to 1, or from −1 to 1 for a difference. */
export function tintShare({ bounds, signed, value }: ShownMeasure, place: HeadPlace): number | null {
  if (bounds === null) return null;
  const [least, most] = bounds;
  if (signed) return most === 0 ? value(place) * 0 : value(place) / most;
  return most === least ? 0.5 : (value(place) - least) / (most - least);
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

/** A token by its word, with its position if the word occurs more than once. With counterparts, both words: `He / She`. */
export function tokenName(
  tokens: readonly Token[],
  index: number,
  counterparts?: readonly (Token | null)[],
): string {
  const token = tokens[index];
  if (token === undefined) return String(index);
  const name = pairedWord(tokens, index, counterparts);
  return repeatedWords(tokens).has(word(token)) ? `${name}\u00a0${index}` : name;
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

/** A difference of a measure: with its sign, `+0.347`. */
export function signedText(value: number): string {
  return value > 0 ? `+${valueText(value)}` : valueText(value);
}

export function describedMeasure(measure: ShownMeasure, value: number): string {
  const { signed, title, unit } = measure;
  const text = Number.isNaN(value) ? "undefined" : withUnit(value, unit);
  return `${title} ${signed && value > 0 ? `+${text}` : text}`;
}

/** A measure of a head, with its rank. */
export interface HeadFact {
  readonly name: string;
  readonly title: string;
  readonly value: string;
  /** The value in the baseline; null if it is not known. */
  readonly before: string | null;
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
  baseline: Measured | null,
): readonly HeadFact[] {
  const facts = measures.flatMap(({ name, title, unit }) => {
    const value = measured.value(name, offSink)(place);
    if (Number.isNaN(value)) return [];
    const { rank, among } = measured.rank(name, offSink, value);
    const other = baseline?.value(name, offSink)(place) ?? Number.NaN;
    const before = Number.isNaN(other) ? null : valueText(other);
    return [{ name, title, value: withUnit(value, unit), before, rank, among }];
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
