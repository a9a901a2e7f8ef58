/** Effects and their controls in numbers and sentences. Pure. */

import type { ControlKind, ControlMessage, ControlOver, EffectMetric } from "../wire/messages";
import { signed, significant } from "./format";
import { plainWord } from "./tokenWord";

/** A control with what has arrived of it. */
export interface ControlSoFar {
  readonly kind: ControlKind;
  readonly message: ControlMessage | null;
}

/** A probability with three decimals and no leading zero: `.923`, `1.00`; `<.001` instead of zero. */
export function probabilityText(share: number): string {
  if (share > 0 && share < 0.0005) return "<.001";
  return share >= 0.9995 ? "1.00" : share.toFixed(3).slice(1);
}

/** The change of a probability, with its sign: `−.767`, `+.133`, `.000`. */
export function changeText(change: number): string {
  const size = Math.abs(change);
  const digits = size >= 0.9995 ? "1.00" : size.toFixed(3).slice(1);
  return Number(`0${digits}`) === 0 ? digits : `${change < 0 ? "−" : "+"}${digits}`;
}

/** A value of a metric: two decimals, and four for a small probability. */
export function metricText(value: number | null, name: string): string {
  if (value === null) return "–";
  const small = name === "probability" && Math.abs(value) < 0.1;
  return name === "ratio" ? significant(value, 3) : signed(value, small ? 4 : 2);
}

/** An effect, with its sign. */
export function effectText(effect: number, name: string): string {
  const text = metricText(effect, name);
  return effect > 0 && /[1-9]/.test(text) ? `+${text}` : text;
}

type MetricNames = Pick<EffectMetric, "name" | "answer" | "foil">;

/** What is measured: `logit Mary − John`, `ln p(Mary)`. */
export function metricWords({ name, answer, foil }: MetricNames): string {
  const [one, other] = [answer, foil].map((token) => (token === null ? null : plainWord(token.text)));
  if (name === "logit") return other === null ? `logit ${one}` : `logit ${one} − ${other}`;
  const [before, between] = { log_probability: ["ln ", " − "], ratio: ["", " / "] }[name] ?? ["", " − "];
  const term = (text: string | null): string => `${before}p(${text})`;
  return other === null ? term(one) : `${term(one)}${between}${term(other)}`;
}

/** The same in a narrow line: `Mary − John`. */
export function shortMetric(metric: MetricNames): string {
  return metricWords(metric).replace(/^logit (?=.* − )/, "");
}

/** The smallest and the largest of some numbers; null without any. */
export function rangeOf(values: readonly (number | null)[]): readonly [least: number, most: number] | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : [Math.min(...known), Math.max(...known)];
}

/** How a sentence continues after "The same". */
const ELSEWHERE: Readonly<Record<ControlOver, string>> = {
  heads: "on other heads",
  keys: "at other keys",
  pairs: "in other dimensions",
  vectors: "with random vectors",
};

/** What complete controls say about an effect; null if there is none to compare. */
export function controlSentence(controls: readonly ControlSoFar[]): string | null {
  const done = controls.flatMap(({ message }) => {
    const range = message === null ? null : rangeOf(message.values);
    return message === null || range === null || message.before === null || message.after === null
      ? []
      : [{ ...message, range, effect: message.after - message.before, before: message.before }];
  });
  const [first] = done;
  if (first === undefined) return null;
  const text = (value: number) => effectText(value, first.metric.name);
  const own = `This change: ${text(first.effect)}.`;
  const others = done
    .map(({ over, range, before }) => `${ELSEWHERE[over]}: ${rangeText(range, before, text)}`)
    .join("; ");
  const count = done.map(({ values }) => values.length);
  const fewest = Math.min(...count);
  const draws = `With ${listed(count.map(String))} ${Math.max(...count) === 1 ? "draw" : "draws"}, nothing finer than 1 in ${fewest + 1} can be said.`;
  return `${own} The same ${others}. ${verdict(done)} ${draws}`;
}

function rangeText(
  [least, most]: readonly [number, number],
  before: number,
  text: (value: number) => string,
): string {
  const ends = [text(least - before), text(most - before)];
  return ends[0] === ends[1] ? ends[0] : ends.join(" … ");
}

interface Compared {
  readonly over: ControlOver;
  readonly effect: number;
  readonly error: number;
  readonly before: number;
  readonly range: readonly [number, number];
}

/** Where the effect is, seen from the others. */
function verdict(done: readonly Compared[]): string {
  if (done.every(({ effect, error }) => Math.abs(effect) <= error)) return "That is no more than rounding.";
  const outside = done.filter(isOutside);
  const inside = done.filter((one) => !isOutside(one));
  const named = (some: readonly Compared[]) => listed(some.map(({ over }) => NAMES[over]));
  if (inside.length === 0) {
    return done.length === 2
      ? "Outside both."
      : done.length === 1
        ? `Outside the ${named(done)}.`
        : "Outside all.";
  }
  if (outside.length === 0) return `Within the range of the ${named(inside)}: it does not stand out.`;
  return `Outside the ${named(outside)}, within the range of the ${named(inside)}.`;
}

const NAMES: Readonly<Record<ControlOver, string>> = {
  heads: "other heads",
  keys: "other keys",
  pairs: "other dimensions",
  vectors: "random vectors",
};

function isOutside({ effect, error, before, range }: Compared): boolean {
  return effect < range[0] - before - error || effect > range[1] - before + error;
}

function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} and ${words.at(-1)}`;
}
