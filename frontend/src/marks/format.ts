/** Numbers and tokens as text. */

import type { Token } from "../wire/messages";
import { characters } from "./appearance";

/** The number of meaningful decimals, between 2 and 4, of a number with this maximum error. */
export function decimals(error: number): number {
  if (error <= 0) return 4;
  return Math.max(2, Math.min(4, Math.floor(-Math.log10(2 * error))));
}

export function weightText(weight: number, digits: number): string {
  return weight.toFixed(digits);
}

/** A weight for a narrow column: `.35`, `1.0`; empty below .005. */
export function shortWeight(weight: number): string {
  if (weight >= 0.995) return "1.0";
  if (weight < 0.005) return "";
  return weight.toFixed(2).slice(1);
}

/** A weight that must be stated however small it is: `.35`, `1.0`, `<.01`. */
export function statedWeight(weight: number): string {
  return shortWeight(weight) || (weight > 0 ? "<.01" : "0");
}

/** A difference of weights for a narrow column: `+.85`, `−.67`, `.00`. */
export function shortDifference(difference: number): string {
  const size = Math.abs(difference);
  if (size < 0.005) return ".00";
  const sign = difference < 0 ? "−" : "+";
  return `${sign}${size >= 0.995 ? size.toFixed(1) : size.toFixed(2).slice(1)}`;
}

/** A difference that must be stated however small it is: `+.85`, `−<.01`, `0`. */
export function statedDifference(difference: number): string {
  if (difference === 0) return "0";
  if (Math.abs(difference) >= 0.005) return shortDifference(difference);
  return difference < 0 ? "−<.01" : "+<.01";
}

/** A difference with its sign: `+0.850`, `−0.670`, `0.000`. */
export function differenceText(difference: number, digits: number): string {
  const text = signed(difference, digits);
  return Number(text.replace("−", "-")) > 0 ? `+${text}` : text;
}

/** A number with a real minus sign; zero never has one. */
export function signed(value: number, digits: number): string {
  if (value === Number.NEGATIVE_INFINITY) return "−∞";
  const text = value.toFixed(digits);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
}

/** At most `digits` significant digits, without trailing zeros: `0.25`, `−2`, `1e−7`. */
export function significant(value: number, digits = 4): string {
  return String(Number(value.toPrecision(digits))).replaceAll("-", "−");
}

/** The magnitude at the end of a scale, with about three significant digits. */
export function roughly(value: number): string {
  if (value === 0) return "0";
  const digits = value >= 100 ? 0 : value >= 10 ? 1 : value >= 0.1 ? 2 : 3;
  return value.toFixed(digits);
}

/** A norm, with a number of decimals that suits the largest norm beside it, `full`. */
export function sized(value: number, full: number): string {
  return value.toFixed(full >= 100 ? 0 : full >= 10 ? 1 : full >= 0.1 ? 2 : 4);
}

/** `1 token`, `12 tokens`, `1,024 tokens`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** Names a head by layer and head: `11.0`. */
export function headName(layer: number, head: number): string {
  return `${layer}.${head}`;
}

/** Names one head, `head 11.0`, or several of a layer, `layer 2, heads 0, 9`. */
export function headsName(layer: number, heads: readonly number[]): string {
  return heads.length === 1
    ? `head ${headName(layer, heads[0])}`
    : `layer ${layer}, heads ${heads.join(", ")}`;
}

/** A score: two decimals, more if it is small, fewer if its error allows no more: `6.62`, `0.0031`, `1.4`. */
export function scoreText(score: number, error = 0): string {
  return score === Number.NEGATIVE_INFINITY ? "masked" : signed(score, scoreDecimals(score, error));
}

const MOST_DECIMALS = 6;

/** The number of decimals of a score, at least two significant digits if its error allows that. */
export function scoreDecimals(score: number, error = 0): number {
  const own = score === 0 ? 2 : Math.max(2, 1 - Math.floor(Math.log10(Math.abs(score))));
  const sure = error > 0 ? Math.max(0, Math.floor(-Math.log10(2 * error))) : MOST_DECIMALS;
  return Math.min(own, sure, MOST_DECIMALS);
}

/** The factor by which dot products are multiplied: `0.125`, `0.0884`. */
export function scaleFactor(factor: number): string {
  return significant(factor, 3);
}

export function percent(share: number): string {
  const value = share * 100;
  return value > 0 && value < 0.1 ? "<0.1%" : `${value < 10 ? value.toFixed(1) : value.toFixed(0)}%`;
}

/** An error bound as one digit and a power of ten, rounded up so that it remains a bound: `2e-6`. */
export function roundedUp(error: number): string {
  if (error === 0) return "0";
  const power = Math.floor(Math.log10(error));
  const digit = Math.ceil(error / 10 ** power - 1e-9);
  return digit === 10 ? `1e${power + 1}` : `${digit}e${power}`;
}

/** A positive error as a range, rounded up to one digit: `±0.00005`. */
export function plusMinus(error: number): string {
  const text = roundedUp(error);
  const [, power = "0"] = text.split("e");
  return `±${Number(text).toFixed(Math.max(0, -Number(power)))}`;
}

export interface TokenFace {
  /** The mark before the text, for a leading space or a continuation, or empty. */
  readonly before: string;
  readonly text: string;
  readonly kind: "plain" | "special" | "raw" | "space";
}

const { signs, space, leading_space, continues, empty, mark_base } = characters;
const SIGNS: Readonly<Record<string, string>> = signs;
const SIGNED = new RegExp(`[${Object.keys(signs).join("")}]`, "g");
const ONLY_SIGNS = new RegExp(`^[${Object.values(signs).join("")} ]+$`);

/** Invisible characters: controls, direction marks, joiners at an end, lone surrogates, private-use characters. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const JOINERS = new Set(["\u200c", "\u200d"]);

function visible(text: string): string {
  const escaped = text.replace(INVISIBLE, (sign, at: number) => {
    const inside = at > 0 && at + sign.length < text.length;
    return JOINERS.has(sign) && inside ? sign : codePoint(sign);
  });
  return /^\p{M}/u.test(escaped) ? `${mark_base}${escaped}` : escaped; // a combining mark needs a base character
}

function codePoint(sign: string): string {
  const code = (sign.codePointAt(0) ?? 0).toString(16);
  if (code.length <= 2) return `\\x${code.padStart(2, "0")}`;
  return code.length <= 4 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
}

/** A token as displayed: invisible characters made visible, continuations marked, bytes shown as bytes. */
export function face(token: Token): TokenFace {
  const signs = token.text.replace(SIGNED, (sign) => SIGNS[sign]);
  const shown = visible(signs);
  if (token.special) return { before: "", text: shown, kind: "special" };
  if (token.box != null) return { before: "", text: shown.replace(/^patch /, ""), kind: "plain" };
  if (token.raw) {
    const text = shown.trimStart();
    return { before: text === shown ? "" : leading_space, text, kind: "raw" };
  }
  if (shown === "") return { before: "", text: empty, kind: "space" };
  if (token.continues) return { before: continues, text: shown, kind: "plain" };
  const spaces = /^ */.exec(shown)?.[0].length ?? 0;
  const rest = shown.slice(spaces);
  if (rest === "") return { before: "", text: space.repeat(Math.max(1, spaces)), kind: "space" };
  const kind = ONLY_SIGNS.test(rest) ? "space" : "plain";
  return {
    before: spaces === 0 ? "" : spaces === 1 ? leading_space : space.repeat(spaces),
    text: rest.replaceAll(" ", space),
    kind,
  };
}

/** The length of the longest token in characters, at least 3. */
export function longestToken(tokens: readonly Token[]): number {
  let longest = 3;
  for (const token of tokens) {
    const { before, text } = face(token);
    longest = Math.max(longest, before.length + text.length);
  }
  return longest;
}

/** A token in running text: without its leading space, and followed by its source text if that differs. */
export function word(token: Token): string {
  if (token.box != null) return token.text;
  const shown = face(token);
  const text = shown.before === continues ? `${continues}${shown.text}` : shown.text;
  const source = givenText(token);
  return source === null ? text : `${text} (${source})`;
}

const MOST_LETTERS = 16;

/** The shortened source text of a token, or null if the token shows it itself. */
export function givenText(token: Token): string | null {
  if (token.given == null) return null;
  const letters = [...visible(token.given.replace(SIGNED, (sign) => SIGNS[sign]))];
  return letters.length <= MOST_LETTERS
    ? letters.join("")
    : `${letters.slice(0, MOST_LETTERS - 1).join("")}…`;
}

const repeats = new WeakMap<readonly Token[], ReadonlySet<string>>();

/** The words that occur more than once in a list of tokens. Cached per list. */
export function repeatedWords(tokens: readonly Token[]): ReadonlySet<string> {
  const known = repeats.get(tokens);
  if (known !== undefined) return known;
  const found = new Set<string>();
  const repeated = new Set<string>();
  for (const token of tokens) {
    const text = word(token);
    if (found.has(text)) repeated.add(text);
    found.add(text);
  }
  repeats.set(tokens, repeated);
  return repeated;
}

/** The accessible name of a token. */
export function spoken(token: Token, index: number): string {
  return `${word(token)}, token ${index}`;
}
