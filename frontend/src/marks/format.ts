/** Numbers and tokens as text. */

import type { Token } from "../wire/messages";

/** How many decimals of a number with this largest error mean something: at least 2, at most 4. */
export function decimals(error: number): number {
  if (error <= 0) return 4;
  return Math.max(2, Math.min(4, Math.floor(-Math.log10(2 * error))));
}

export function weightText(weight: number, digits: number): string {
  return weight.toFixed(digits);
}

/** A weight for a narrow column: `.35`, `1.0`, `<.01`. */
export function shortWeight(weight: number): string {
  if (weight >= 0.995) return "1.0";
  if (weight < 0.005) return "";
  return weight.toFixed(2).slice(1);
}

export function scoreText(score: number): string {
  return score === Number.NEGATIVE_INFINITY ? "not allowed" : score.toFixed(2).replace("-", "−");
}

export function percent(share: number): string {
  const value = share * 100;
  return value > 0 && value < 0.1 ? "<0.1%" : `${value < 10 ? value.toFixed(1) : value.toFixed(0)}%`;
}

/** `2e-6`: one digit and the power of ten, rounded up so that it never claims too much. */
export function roundedUp(error: number): string {
  if (error === 0) return "0";
  const power = Math.floor(Math.log10(error));
  const digit = Math.ceil(error / 10 ** power - 1e-9);
  return digit === 10 ? `1e${power + 1}` : `${digit}e${power}`;
}

export interface TokenFace {
  /** The mark before the text: a space or a continuation, else empty. */
  readonly before: string;
  readonly text: string;
  readonly kind: "plain" | "special" | "raw" | "space";
}

const CONTROL: Readonly<Record<string, string>> = {
  "\n": "↵",
  "\r": "␍",
  "\t": "⇥",
  "\u00a0": "⍽",
  "\u200b": "∅",
};

/** How a token looks: spaces, line breaks and tabs visible, continuation marked, bytes as bytes. */
export function face(token: Token): TokenFace {
  const visible = token.text.replace(/[\n\r\t\u00a0\u200b]/g, (sign) => CONTROL[sign]);
  if (token.special) return { before: "", text: visible, kind: "special" };
  if (token.box != null) return { before: "", text: visible.replace(/^patch /, ""), kind: "plain" };
  if (token.raw) return { before: "", text: visible, kind: "raw" };
  if (token.continues) return { before: "##", text: visible, kind: "plain" };
  const spaces = /^ */.exec(visible)?.[0].length ?? 0;
  const rest = visible.slice(spaces);
  if (rest === "") return { before: "", text: "␣".repeat(Math.max(1, spaces)), kind: "space" };
  const kind = /^[↵␍⇥⍽∅ ]+$/.test(rest) ? "space" : "plain";
  return {
    before: spaces === 0 ? "" : spaces === 1 ? "·" : "␣".repeat(spaces),
    text: rest.replace(/ /g, "␣"),
    kind,
  };
}

/** Letters of the longest token, at least 3. */
export function longestToken(tokens: readonly Token[]): number {
  let longest = 3;
  for (const token of tokens) {
    const { before, text } = face(token);
    longest = Math.max(longest, before.length + text.length);
  }
  return longest;
}

/** A token in a sentence of the readout: its text without the leading space. */
export function word(token: Token): string {
  if (token.box != null) return token.text;
  const shown = face(token);
  return shown.before === "##" ? `##${shown.text}` : shown.text;
}

const repeats = new WeakMap<readonly Token[], ReadonlySet<string>>();

/** The words that stand more than once among some tokens; found once for each list. */
export function repeatedWords(tokens: readonly Token[]): ReadonlySet<string> {
  const known = repeats.get(tokens);
  if (known !== undefined) return known;
  const seen = new Set<string>();
  const repeated = new Set<string>();
  for (const token of tokens) {
    const text = word(token);
    if (seen.has(text)) repeated.add(text);
    seen.add(text);
  }
  repeats.set(tokens, repeated);
  return repeated;
}

/** A token as its name for assistive technology. */
export function spoken(token: Token, index: number): string {
  return `${word(token)}, token ${index}`;
}
