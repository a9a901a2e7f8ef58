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
  if (score === Number.NEGATIVE_INFINITY) return "not allowed";
  const text = score.toFixed(2);
  return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
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

/** What nobody sees on its own: controls, marks of direction, joiners at an end, lone surrogates, what no script has. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/gu;
const JOINERS = new Set(["\u200c", "\u200d"]);

function visible(text: string): string {
  const seen = text.replace(UNSEEN, (sign, at: number) => {
    const inside = at > 0 && at + sign.length < text.length;
    return JOINERS.has(sign) && inside ? sign : codePoint(sign);
  });
  return /^\p{M}/u.test(seen) ? `◌${seen}` : seen; // a mark needs something to stand on
}

function codePoint(sign: string): string {
  const code = (sign.codePointAt(0) ?? 0).toString(16);
  return code.length <= 2 ? `\\x${code.padStart(2, "0")}` : `\\u${code.padStart(4, "0")}`;
}

/** How a token looks: spaces, line breaks, tabs and what else nobody sees visible, continuation marked, bytes as bytes. */
export function face(token: Token): TokenFace {
  const signs = token.text.replace(/[\n\r\t\u00a0\u200b]/g, (sign) => CONTROL[sign]);
  const shown = visible(signs);
  if (token.special) return { before: "", text: shown, kind: "special" };
  if (token.box != null) return { before: "", text: shown.replace(/^patch /, ""), kind: "plain" };
  if (token.raw) {
    const text = shown.trimStart();
    return { before: text === shown ? "" : "·", text, kind: "raw" };
  }
  if (shown === "") return { before: "", text: "∅", kind: "space" };
  if (token.continues) return { before: "##", text: shown, kind: "plain" };
  const spaces = /^ */.exec(shown)?.[0].length ?? 0;
  const rest = shown.slice(spaces);
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

/** A token in a sentence of the readout: its text without the leading space, and what it stands for where it does not say. */
export function word(token: Token): string {
  if (token.box != null) return token.text;
  const shown = face(token);
  const text = shown.before === "##" ? `##${shown.text}` : shown.text;
  const given = givenText(token);
  return given === null ? text : `${text} (${given})`;
}

const GIVEN_LETTERS = 16;

/** What of the text a token stands for, shortened; null where the token says it itself. */
export function givenText(token: Token): string | null {
  if (token.given == null) return null;
  const letters = [...visible(token.given.replace(/[\n\r\t\u00a0\u200b]/g, (sign) => CONTROL[sign]))];
  return letters.length <= GIVEN_LETTERS
    ? letters.join("")
    : `${letters.slice(0, GIVEN_LETTERS - 1).join("")}…`;
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
