import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { spans, tokensNamed } from "../src/state/words";
import type { Token } from "../src/wire/messages";

type Written = string | Partial<Token>;

/** What Python must find as well: tests/trace/test_positions.py checks the same file. */
const CASES: {
  readonly texts: Readonly<Record<string, readonly Written[]>>;
  readonly cases: readonly [text: string, word: string, spans: readonly (readonly number[])[]][];
  readonly forms: readonly [text: string, written: string, expected: readonly number[] | string][];
} = JSON.parse(
  readFileSync(fileURLToPath(new URL("../../tests/trace/words.json", import.meta.url)), "utf-8"),
);

function tokensOf(text: string): readonly Token[] {
  return CASES.texts[text].map((one, id) => ({
    ...{ text: "", id, special: false, sentence: null, continues: false, raw: false },
    ...(typeof one === "string" ? { text: one } : one),
  }));
}

describe("a word", () => {
  it.each(CASES.cases)("%s: %j", (text, word, expected) => {
    expect(spans(word, tokensOf(text))).toEqual(expected);
  });
});

describe("a name in an address", () => {
  it.each(CASES.forms)("%s: %s", (text, written, expected) => {
    const found = tokensNamed(written, tokensOf(text), "token");
    if (typeof expected !== "string") expect(found).toEqual(expected);
    else if ("sentence" in found) expect(found.sentence.startsWith(expected)).toBe(true);
    else expect(found).toBe(expected);
  });
});
