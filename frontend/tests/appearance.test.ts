import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { editNote, editWords } from "../src/figures/edits";
import { inksOf } from "../src/figures/sheet";
import { paint, visible } from "../src/figures/svg";
import { edits, inks, rgb, weights } from "../src/marks/appearance";
import {
  counted,
  face,
  headName,
  headsName,
  percent,
  roughly,
  roundedUp,
  scaleFactor,
  scoreText,
  shortWeight,
  signed,
  significant,
  statedWeight,
} from "../src/marks/format";
import { signColor } from "../src/marks/neuron";
import { colorAt, headColor, headDash, inkOn, type WeightPalette, weightStops } from "../src/marks/palette";
import { darkness, SCALE_TITLES, type ScaleName } from "../src/marks/scale";
import type { Edit } from "../src/wire/messages";

/** What Python must draw and say as well: tests/appearance/test_appearance.py checks the same file. */
const CASES: Cases = JSON.parse(read("../../tests/appearance/cases.json"));

interface Cases {
  readonly heads: readonly {
    readonly head: number;
    readonly light: string;
    readonly dark: string;
    readonly screen: readonly number[];
  }[];
  readonly ramps: readonly {
    readonly ramp: string;
    readonly shares: readonly number[];
    readonly colors: readonly string[];
  }[];
  readonly signs: readonly {
    readonly theme: string;
    readonly shares: readonly number[];
    readonly colors: readonly string[];
  }[];
  readonly ink_on: readonly [color: string, ink: string][];
  readonly darkness: readonly [weight: number, scale: ScaleName, dark: number][];
  readonly numerals: {
    readonly short_weight: readonly [number, string][];
    readonly stated_weight: readonly [number, string][];
    readonly score: readonly [number, number, string][];
    readonly scale_factor: readonly [number, string][];
    readonly rounded_up: readonly [number, string][];
    readonly signed: readonly [number | string, number, string][];
    readonly significant: readonly [number, number, string][];
    readonly end_of_scale: readonly [number, string][];
    readonly counted: readonly [number, [string, string?], string][];
    readonly head_name: readonly [number, number, string][];
    readonly heads_name: readonly [number, number[], string][];
  };
  readonly faces: readonly [text: string, face: string][];
  readonly edits: readonly { readonly edit: Edit; readonly words: string }[];
  readonly sentences: readonly { readonly edits: readonly Edit[]; readonly svg: string | null }[];
  readonly different: {
    readonly [name in "joined_emoji" | "unassigned" | "leading_space" | "caption"]: {
      readonly text: string;
      readonly page: string;
    };
  } & {
    readonly share: { readonly cases: readonly [number, string, string][] };
    readonly scales: { readonly page: Readonly<Record<ScaleName, string>> };
    readonly cividis: { readonly page: readonly string[] };
  };
}

function read(path: string): string {
  return readFileSync(fileURLToPath(new URL(path, import.meta.url)), "utf8");
}

function faceOf(text: string) {
  return face({ text, id: 1, special: false, sentence: null, continues: false, raw: false });
}

describe("colors", () => {
  it.each(CASES.heads)("of head $head are those of the shared file, or go round the circle", (wanted) => {
    expect(paint(headColor(wanted.head, false))).toBe(wanted.light);
    expect(paint(headColor(wanted.head, true))).toBe(wanted.dark);
    expect(headDash(wanted.head)).toEqual(wanted.screen);
  });

  it.each(CASES.ramps)("of weights: $ramp", ({ ramp, shares, colors }) => {
    const [kind, name] = ramp.split(".");
    const printed: Readonly<Record<string, readonly string[]>> = { ...weights.paper, "": weights.notebook };
    const shown = kind === "light" || kind === "dark";
    const stops = shown
      ? weightStops(name as WeightPalette, kind === "dark")
      : printed[name ?? ""].map((stop) => rgb(stop));
    expect(shares.map((share) => paint(colorAt(stops, share)))).toEqual(colors);
  });

  it("of signs, and of text on them", () => {
    for (const { theme, shares, colors } of CASES.signs)
      expect(shares.map((share) => paint(signColor(share, theme === "dark")))).toEqual(colors);
    for (const [color, ink] of CASES.ink_on) expect(inkOn(rgb(color))).toBe(ink);
  });

  it("of pictures are those of the page around them", () => {
    const folder = fileURLToPath(new URL("../src/", import.meta.url));
    const styles = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) =>
      name.endsWith(".css"),
    );
    const base = styles
      .map((name) => readFileSync(folder + name, "utf8"))
      .find((text) => /--ink2:/.test(text));
    const ofPage = (name: string) => new RegExp(`--${name}: (#\\w+);`).exec(base ?? "")?.[1];
    const { ink, quiet, accent } = inksOf(false);
    expect([ink, quiet, accent, inks.notebook.frame]).toEqual(["ink", "ink2", "accent", "line"].map(ofPage));
  });

  it.each(CASES.darkness)("%f is on the scale %s as dark as %f", (weight, scale, dark) => {
    expect(darkness(weight, scale)).toBeCloseTo(dark, 6);
  });
});

describe("numbers", () => {
  const { numerals } = CASES;

  it("are written as Python writes them", () => {
    for (const [weight, text] of numerals.short_weight) expect(shortWeight(weight)).toBe(text);
    for (const [weight, text] of numerals.stated_weight) expect(statedWeight(weight)).toBe(text);
    for (const [score, error, text] of numerals.score) expect(scoreText(score, error)).toBe(text);
    for (const [factor, text] of numerals.scale_factor) expect(scaleFactor(factor)).toBe(text);
    for (const [error, text] of numerals.rounded_up) expect(roundedUp(error)).toBe(text);
    for (const [value, digits, text] of numerals.signed) expect(signed(Number(value), digits)).toBe(text);
    for (const [value, digits, text] of numerals.significant) expect(significant(value, digits)).toBe(text);
    for (const [value, text] of numerals.end_of_scale) expect(roughly(value)).toBe(text);
    for (const [count, words, text] of numerals.counted) expect(counted(count, ...words)).toBe(text);
  });

  it("name heads", () => {
    for (const [layer, head, text] of numerals.head_name) expect(headName(layer, head)).toBe(text);
    for (const [layer, heads, text] of numerals.heads_name) expect(headsName(layer, heads)).toBe(text);
  });
});

describe("words", () => {
  it.each(CASES.faces)("the token %j reads %j", (text, shown) => {
    expect(faceOf(text).text).toBe(shown);
  });

  it.each(CASES.edits)("an edit: $words", ({ edit, words }) => {
    expect(editWords(edit)).toBe(words);
  });

  it("say several edits in one sentence", () => {
    for (const { edits, svg } of CASES.sentences) expect(editNote(edits)).toBe(svg);
  });

  it("have a case for every kind of edit", () => {
    const said = new Set(CASES.edits.map(({ edit }) => edit.type));
    for (const kind of Object.keys(edits.kinds)) expect(said).toContain(kind);
  });
});

describe("where the page differs from paper", () => {
  const { different } = CASES;

  it("it is meant", () => {
    for (const name of ["joined_emoji", "unassigned", "leading_space"] as const) {
      const { before, text } = faceOf(different[name].text);
      expect(before + text).toBe(different[name].page);
    }
    expect(visible(different.caption.text)).toBe(different.caption.page);
    for (const [part, said] of different.share.cases) expect(percent(part)).toBe(said);
    expect(SCALE_TITLES).toEqual(different.scales.page);
    const cividis = weightStops("cividis", false);
    expect([cividis[0], cividis[cividis.length - 1]].map(paint)).toEqual(different.cividis.page);
  });
});
