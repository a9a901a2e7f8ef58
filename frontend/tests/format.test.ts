import { describe, expect, it } from "vitest";
import { face, givenText, word } from "../src/marks/format";
import type { Token } from "../src/wire/messages";

const token = (text: string, more: Partial<Token> = {}): Token => ({
  text,
  id: 1,
  special: false,
  sentence: null,
  continues: false,
  raw: false,
  ...more,
});

describe("how a token reads", () => {
  it("shows what nobody would see", () => {
    expect(face(token("a\n")).text).toBe("a↵");
    expect(face(token("\u0000")).text).toBe("\\x00");
    expect(face(token("\u202eabc")).text).toBe("\\u202eabc");
    expect(face(token("\ufeff")).text).toBe("\\ufeff");
    expect(face(token("")).text).toBe("∅");
  });

  it("leaves a joiner inside an emoji, and shows one that stands at an end", () => {
    expect(face(token("👩\u200d👧")).text).toBe("👩\u200d👧");
    expect(face(token("\u200d")).text).toBe("\\u200d");
  });

  it("puts a mark without a letter on a circle", () => {
    expect(face(token("\u0301")).text).toBe("◌\u0301");
    expect(face(token(" e\u0301"))).toMatchObject({ before: "·", text: "e\u0301" });
  });

  it("marks the space before bytes", () => {
    expect(face(token(" \\xd7", { raw: true }))).toEqual({ before: "·", text: "\\xd7", kind: "raw" });
  });

  it("says what an unknown token and a byte stand for", () => {
    expect(word(token("[UNK]", { special: true, given: "𓀀" }))).toBe("[UNK] (𓀀)");
    expect(word(token("\\xf0\\x9f", { raw: true, given: "🦊" }))).toBe("\\xf0\\x9f (🦊)");
    expect([...(givenText(token("[UNK]", { given: "🦊".repeat(30) })) ?? "")]).toHaveLength(16);
  });
});
