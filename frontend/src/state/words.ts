/** Tokens named in an address: an index, a word of the text, one of its occurrences (`the#2`), or a span (`4-5`). Pure. */
/** Words are found as Python finds them (src/attnscope/trace/words.py); tests/trace/words.json checks both. */

import type { Token } from "../wire/messages";

/** The indices of the tokens of one occurrence, ascending. */
export type Span = readonly number[];

/** What `nameOf` gives where a name stands for no tokens: one sentence. */
export interface NoToken {
  readonly sentence: string;
}

/** What lies before a character; open: perhaps a space, where the tokenizer does not say. */
type Gap = "none" | "space" | "open" | "barrier";

/** A visible character of the text: its tokens, and whether it begins or ends one. */
interface Glyph {
  readonly char: string;
  readonly gap: Gap;
  readonly first: number;
  readonly last: number;
  readonly starts: boolean;
  readonly ends: boolean;
}

type Fold = (text: string) => string;
type Char = readonly [char: string, first: number, last: number];
type Tokens = readonly Pick<
  Token,
  "text" | "special" | "continues" | "raw" | "sentence" | "given" | "role" | "box"
>[];

const CONTINUES = "##";
const SPACE_MARKS = ["Ġ", "▁"];
const LISTED = 12;
const MOST_LETTERS = 32;
const MOST_INDICES = 1_000_000;
const WORD = /[\p{L}\p{M}\p{N}\p{Pc}]/u;
/** Scripts that put no spaces between words: Thai to Tibetan, Myanmar, Khmer, Han and its marks, kana, Bopomofo. */
const UNSPACED =
  /[\u0e00-\u0fff\u1000-\u109f\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3038-\u303b\u3041-\u30ff\u3105-\u312f\u31f0-\u31ff\uff66-\uff9f\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\u{20000}-\u{3ffff}]/u;

/** The tokens that a name stands for, or a sentence about why it stands for none; `name` is that of the field. */
export function tokensNamed(written: string, tokens: Tokens, name: string): Span | NoToken {
  const text = written.trim();
  if (/^-?\d{1,9}$/.test(text)) return checked([Number(text)], tokens, name);
  if (/^\d{1,9}(-\d{1,9})?(,\d{1,9}(-\d{1,9})?)*$/.test(text)) return checked(rangesIn(text), tokens, name);
  const numbered = /^(.+)#(\d{1,9})$/su.exec(text);
  const word = numbered?.[1] ?? text;
  const found = spans(word, tokens);
  if (found.length === 0) return { sentence: absent(word, tokens, name) };
  if (numbered !== null) {
    const number = Number(numbered[2]);
    if (number >= 1 && number <= found.length) return found[number - 1];
    const times = ["never", "once", "twice"][found.length] ?? `${found.length} times`;
    return {
      sentence: `\`${name}\`: "${word}" occurs ${times} in "${reading(tokens)}", so occurrence ${number} does not exist (they count from 1).`,
    };
  }
  if (found.length === 1) return found[0];
  const places = listing(found.slice(0, LISTED).map(spanWords), Math.max(0, found.length - LISTED));
  return {
    sentence: `\`${name}\`: "${word}" occurs at tokens ${places} of "${reading(tokens)}": pass an index or ${word}#2 for the second occurrence.`,
  };
}

/** The tokens of every occurrence of a word or phrase, in order. */
export function spans(text: string, tokens: Tokens): readonly Span[] {
  const wanted = wantedOf(text);
  if (wanted.length === 0)
    return tokens.flatMap((token, at) => (text !== "" && token.text === text ? [[at]] : []));
  const glyphs = glyphsOf(tokens);
  const marked = tokens.some((token) => token.continues);
  for (const fold of [same, lower, plain]) {
    const found = [...named(text, tokens, fold), ...occurrences(wanted, glyphs, fold, marked)];
    if (found.length > 0) return found.sort((a, b) => a[0] - b[0] || a.length - b.length);
  }
  for (const fold of [same, lower]) {
    const bare = text.trim();
    const pieces = [fold(bare), fold(bare.startsWith(CONTINUES) ? bare.slice(CONTINUES.length) : bare)];
    const found = tokens.flatMap((token, at) =>
      [token.text.trim(), plainText(token)].some((own) => own !== "" && pieces.includes(fold(own)))
        ? [[at]]
        : [],
    );
    if (found.length > 0) return found;
  }
  return [];
}

const same: Fold = (text) => text;
const lower: Fold = (text) => text.toLowerCase();
const plain: Fold = (char) =>
  char
    .toLowerCase()
    .normalize("NFD")
    .replace(/\p{Mn}/gu, "") || char;

function checked(indices: readonly number[], tokens: Tokens, name: string): Span | NoToken {
  const size = tokens.length;
  const wrong = indices.find((index) => index < -size || index >= size);
  if (wrong !== undefined) {
    const has = size === 0 ? "the text has no tokens" : `the text has tokens 0 to ${size - 1}`;
    return { sentence: `There is no ${name} ${wrong}: ${has}.` };
  }
  if (indices.length === 0) return { sentence: `\`${name}\` is an empty span: name at least one index.` };
  return [...new Set(indices.map((index) => (index + size) % size))];
}

function rangesIn(text: string): number[] {
  return text.split(",").flatMap((part) => {
    const [first, last] = part.split("-").map(Number);
    const count = Math.max(0, Math.min(MOST_INDICES, (last ?? first) - first + 1));
    return Array.from({ length: count }, (_, at) => first + at);
  });
}

/** Special tokens and patches of an image, by their text. */
function named(text: string, tokens: Tokens, fold: Fold): Span[] {
  const name = fold(text.trim());
  return tokens.flatMap((token, at) =>
    (token.special || token.box != null) && fold(token.text.trim()) === name ? [[at]] : [],
  );
}

function occurrences(
  wanted: readonly (readonly [string, boolean])[],
  glyphs: readonly Glyph[],
  fold: Fold,
  marked: boolean,
): Span[] {
  const keys = wanted.map(([char]) => fold(char));
  const own = glyphs.map((glyph) => fold(glyph.char));
  const fits = (at: number, index: number): boolean => {
    const { gap, char } = glyphs[at + index];
    const spaced = wanted[index][1];
    if (gap === "open") return spaced || !(marked && joined(glyphs[at + index - 1].char, char));
    return gap === (spaced ? "space" : "none");
  };
  const free = (at: number): boolean =>
    at === 0 || at === glyphs.length || !withinWord(glyphs[at - 1], glyphs[at]);
  const found: Span[] = [];
  let at = 0;
  while (at + keys.length <= own.length) {
    const end = at + keys.length;
    const matches =
      glyphs[at].starts &&
      glyphs[end - 1].ends &&
      keys.every((key, index) => own[at + index] === key && (index === 0 || fits(at, index))) &&
      free(at) &&
      free(end);
    if (!matches) {
      at += 1;
      continue;
    }
    const { first } = glyphs[at];
    found.push(Array.from({ length: glyphs[end - 1].last - first + 1 }, (_, index) => first + index));
    at = end;
  }
  return found;
}

function withinWord(before: Glyph, glyph: Glyph): boolean {
  return glyph.gap === "none" && joined(before.char, glyph.char);
}

/** Whether two characters side by side belong to one word. */
function joined(before: string, char: string): boolean {
  return WORD.test(before) && WORD.test(char) && !UNSPACED.test(before) && !UNSPACED.test(char);
}

/** The visible characters of what is looked for, each with whether a space precedes it. */
function wantedOf(text: string): (readonly [string, boolean])[] {
  const found: (readonly [string, boolean])[] = [];
  let spaced = false;
  for (const char of text.normalize("NFC")) {
    if (isSpace(char)) spaced = true;
    else {
      found.push([char, spaced]);
      spaced = false;
    }
  }
  return found;
}

/** The visible characters of the tokens. Special tokens have none, except where they stand for a word (`given`). */
function glyphsOf(tokens: Tokens): Glyph[] {
  const spaced = tokens.some((token) => !token.special && token.text.startsWith(" "));
  const found: Glyph[] = [];
  let after: Gap = "barrier";
  let at = 0;
  while (at < tokens.length) {
    const token = tokens[at];
    const before = tokens[at - 1];
    let end = at + 1;
    const apart = before?.sentence !== token.sentence || (before?.role ?? null) !== (token.role ?? null);
    if (at > 0 && apart) after = "barrier";
    let chars: Char[];
    if (token.raw) {
      while (tokens[end]?.raw) end += 1;
      chars = decoded(tokens.slice(at, end), at);
    } else if (token.given != null) chars = [...token.given].map((char) => [char, at, at]);
    else if (token.special || token.box != null) {
      after = "barrier";
      at = end;
      continue;
    } else {
      const index = at;
      chars = [...textOf(token, spaced)].map((char) => [char, index, index]);
    }
    const own = token.given != null && !token.raw ? "open" : gapBefore(token, spaced);
    const seen = visible(chars, after === "none" ? own : after, token.raw);
    found.push(...seen);
    if (seen.length > 0) after = "none";
    const last = chars.at(-1);
    if (last !== undefined && isSpace(last[0]) && after === "none") after = "space";
    at = end;
  }
  return found;
}

/** The characters that are no spaces; `whole`: each counts as a token's start and end (bytes). */
function visible(chars: readonly Char[], gap: Gap, whole: boolean): Glyph[] {
  const seen = chars.flatMap(([char], index) => (isSpace(char) ? [] : [index]));
  return seen.map((index, order) => {
    const [char, first, last] = chars[index];
    const afterSpace = index > 0 && isSpace(chars[index - 1][0]);
    const before: Gap = order === 0 ? gap : "none";
    return {
      char,
      gap: afterSpace && before !== "barrier" ? "space" : before,
      first,
      last,
      starts: whole || order === 0,
      ends: whole || order === seen.length - 1,
    };
  });
}

function gapBefore(token: Tokens[number], spaced: boolean): Gap {
  const piece = token.text.startsWith(CONTINUES) && token.text.length > CONTINUES.length;
  return spaced || token.continues || piece ? "none" : "open";
}

function textOf({ text }: Tokens[number], spaced: boolean): string {
  if (spaced) return text;
  if (SPACE_MARKS.includes(text[0])) return ` ${text.slice(1)}`;
  return (text.startsWith(CONTINUES) && text.slice(CONTINUES.length)) || text;
}

/** A token's text without the space or mark before it. */
function plainText(token: Tokens[number]): string {
  const text = token.text.trim() || token.text;
  const mark = [...SPACE_MARKS, CONTINUES].find((one) => text.startsWith(one) && text.length > one.length);
  return mark === undefined ? text : text.slice(mark.length);
}

/** The characters of tokens that are bytes, each with its tokens; bytes of no character as they are written. */
function decoded(tokens: Tokens, start: number): Char[] {
  const data: (readonly [byte: number, token: number])[] = [];
  tokens.forEach((token, offset) => {
    token.text.split(/\\x([0-9a-f]{2})/).forEach((part, order) => {
      const own = order % 2 === 1 ? [Number.parseInt(part, 16)] : new TextEncoder().encode(part);
      for (const byte of own) data.push([byte, start + offset]);
    });
  });
  const found: Char[] = [];
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let at = 0;
  while (at < data.length) {
    const [lead, first] = data[at];
    const size = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    const piece = data.slice(at, at + size);
    try {
      found.push([
        decoder.decode(Uint8Array.from(piece, ([byte]) => byte)),
        first,
        piece[piece.length - 1][1],
      ]);
      at += size;
    } catch {
      for (const char of `\\x${lead.toString(16).padStart(2, "0")}`) found.push([char, first, first]);
      at += 1;
    }
  }
  return found;
}

/** A character that several tokens, its bytes, stand for together. */
export interface ByteCharacter {
  readonly char: string;
  readonly first: number;
  readonly last: number;
}

/** The characters that are spread over several tokens, by each of these tokens. */
export function byteCharacters(tokens: Tokens): ReadonlyMap<number, ByteCharacter> {
  const found = new Map<number, ByteCharacter>();
  for (let at = 0; at < tokens.length; at++) {
    if (!tokens[at].raw) continue;
    let end = at + 1;
    while (tokens[end]?.raw) end += 1;
    for (const [char, first, last] of decoded(tokens.slice(at, end), at)) {
      if (last === first) continue;
      for (let index = first; index <= last; index++) found.set(index, { char, first, last });
    }
    at = end - 1;
  }
  return found;
}

/** The text of the tokens as a person reads it, shortened. */
function reading(tokens: Tokens): string {
  const parts: string[] = [];
  let before = " ";
  for (const { char, gap } of glyphsOf(tokens)) {
    const apart = WORD.test(char) && !(UNSPACED.test(char) && UNSPACED.test(before));
    const spaced = gap !== "none" && (gap === "open" ? apart : true);
    before = char;
    parts.push(spaced && parts.length > 0 ? ` ${char}` : char);
    if (parts.length > MOST_LETTERS) break;
  }
  if (parts.length <= MOST_LETTERS) return parts.join("");
  const text = parts.slice(0, MOST_LETTERS).join("");
  const space = text.lastIndexOf(" ");
  return space > 0 ? `${text.slice(0, space)} …` : `${text}…`;
}

function absent(word: string, tokens: Tokens, name: string): string {
  const texts = tokens.map((token) => token.given ?? plainText(token));
  const all = texts.map((_, at) => at);
  const close = all.filter((at) => alike(texts[at], word));
  const [said, listed] =
    texts.length <= LISTED
      ? ["tokens", all]
      : close.length > 0
        ? ["closest tokens", close.slice(0, 5)]
        : ["tokens", all.slice(0, LISTED)];
  const more = listed.length < texts.length ? ", …" : "";
  const shown = listed.map((at) => `${at} "${texts[at]}"`).join(", ");
  return `\`${name}\`: "${word}" is not a word of the text (${texts.length === 0 ? "it has no tokens" : `${said}: ${shown}${more}`}).`;
}

/** Whether one begins with most of the other. */
function alike(text: string, word: string): boolean {
  const [short, long] = [lower(text), lower(word)].sort((a, b) => a.length - b.length);
  let common = 0;
  while (common < short.length && short[common] === long[common]) common += 1;
  return common >= 2 && common >= 0.6 * long.length;
}

/** `4`, `4–6`, `1, 4 and 5`. */
function spanWords(span: Span): string {
  const runs = span.length > 1 && span.every((index, at) => index === span[0] + at);
  return runs ? `${span[0]}–${span[span.length - 1]}` : listing(span.map(String), 0);
}

function listing(parts: readonly string[], more: number): string {
  const last = more > 0 ? `${more} more` : parts[parts.length - 1];
  const before = more > 0 ? parts : parts.slice(0, -1);
  return before.length > 0 ? `${before.join(", ")} and ${last}` : last;
}

function isSpace(char: string): boolean {
  return /\s/u.test(char);
}
