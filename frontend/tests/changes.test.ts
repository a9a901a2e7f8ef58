import { describe, expect, it } from "vitest";
import { changePhrase, changeWords, factorText, shortNumber } from "../src/figures/changeWords";
import {
  canonical,
  changesOf,
  findChange,
  movable,
  moveChange,
  muteChanges,
  orderCounts,
  putChanges,
  removeChanges,
  rowsOf,
  sameEdits,
  turnChanges,
} from "../src/state/changes";
import { editsFromJson, editsToJson } from "../src/state/editFile";
import { type EditForm, editOf } from "../src/state/editForm";
import type { Edit, Stack, Token } from "../src/wire/messages";

const OFF: Edit = { type: "ScaleHead", layer: 2, head: 1, factor: 0 };
const CUT: Edit = { type: "CutEdge", layer: 2, head: 1, query: 3, key: 1 };
const SET: Edit = { type: "SetAttention", layer: 2, head: 1, query: 3, key: 2, weight: 0.9 };
const NEURONS: Edit = { type: "ScaleNeuron", layer: 2, head: 1, dims: [0, 4], factor: 0.5, vector: "q" };
const EARLY: Edit = { type: "ScaleHead", layer: 0, head: 3, factor: 2 };

const token = (text: string): Token => ({
  ...{ text, id: 0, special: false, sentence: null, continues: false, raw: false },
});
const shape = { heads: 4, kv_heads: 2, qk_dim: 8, v_dim: 8 };
const stack: Stack = {
  ...{ layers: 3, heads: 4, kv_heads: 2, head_dim: 8, causal: true, query: "text", key: "text" },
  shapes: [shape, null, shape],
};
const TRACE = {
  stacks: { decoder: stack },
  tokens: { text: ["When", " Mary", " and", " John", " and", " Jo"].map(token) },
};

const edits = (all: readonly { readonly edit: Edit }[]) => all.map(({ edit }) => edit);

describe("the list of changes", () => {
  it("has them in the order of the computation, whatever the order they were made in", () => {
    const made = changesOf([OFF, SET, CUT, NEURONS, EARLY]);
    expect(edits(made)).toEqual([EARLY, NEURONS, CUT, SET, OFF]);
    const encoder = { ...OFF, stack: "encoder", layer: 5 };
    const [cross, decoder] = ["cross", "decoder"].map((name) => ({ ...OFF, stack: name }));
    expect(edits(changesOf([cross, decoder, encoder]))).toEqual([encoder, decoder, cross]);
  });

  it("has one change for each subject: a later one replaces it in its place", () => {
    const half = { ...OFF, factor: 0.5 };
    const mean: Edit = { type: "MeanHead", layer: 2, head: 1, reference: { trace: "x" } };
    expect(edits(putChanges(changesOf([EARLY, OFF]), [half]))).toEqual([EARLY, half]);
    expect(edits(putChanges(changesOf([EARLY, OFF]), [mean]))).toEqual([EARLY, mean]);
    const cut: Edit = { type: "CutEdge", layer: 2, head: 1, query: 3, key: 2 };
    expect(edits(putChanges(changesOf([OFF, SET]), [cut]))).toEqual([cut, OFF]);
    expect(edits(putChanges(changesOf([NEURONS]), [{ ...NEURONS, vector: "k" }]))).toHaveLength(2);
    expect(edits(putChanges(changesOf([CUT]), [{ ...CUT, query: 2 }]))).toHaveLength(2);
    expect(edits(putChanges(changesOf([CUT]), [{ ...CUT, stack: null }]))).toHaveLength(1);
  });

  it("finds, mutes, turns and removes the change of a subject", () => {
    const made = changesOf([CUT, OFF]);
    expect(findChange(made, { ...OFF, factor: 1 })?.edit).toBe(OFF);
    expect(findChange(made, EARLY)).toBeNull();
    const muted = muteChanges(made, [OFF], true);
    expect(muted.map((one) => one.muted)).toEqual([false, true]);
    const turned = turnChanges(muted, [{ ...OFF, factor: 1.5 }]);
    expect(turned[1]).toEqual({ edit: { ...OFF, factor: 1.5 }, muted: true });
    expect(edits(removeChanges(made, [{ ...OFF, factor: 7 }]))).toEqual([CUT]);
  });

  it("takes edits as the same that are written in another way", () => {
    expect(canonical({ ...OFF, stack: null })).toBe(
      canonical({ factor: 0, head: 1, layer: 2, type: "ScaleHead" }),
    );
    const { vector: _, ...without } = NEURONS;
    expect(canonical(without as Edit)).toBe(canonical(NEURONS));
    expect(canonical({ ...NEURONS, vector: "k" })).not.toBe(canonical(NEURONS));
    expect(sameEdits([OFF, CUT], [CUT, OFF])).toBe(false);
  });

  it("moves a change only past one where the order counts", () => {
    const other: Edit = { ...SET, key: 0, weight: 0.5 };
    expect(orderCounts(SET, other)).toBe(true);
    expect(orderCounts(SET, { ...other, query: 2 })).toBe(false);
    expect(orderCounts(SET, { ...other, head: 0 })).toBe(false);
    expect(orderCounts(CUT, { ...CUT, key: 2 })).toBe(false);
    expect(orderCounts(SET, { ...other, query: [2, 3] })).toBe(true);
    const made = changesOf([CUT, SET, other]);
    expect(edits(moveChange(made, 2, 1))).toEqual([CUT, other, SET]);
    expect(moveChange(made, 1, 0)).toBe(made);
    expect(moveChange(made, 2, 3)).toBe(made);
    const rows = rowsOf(made, TRACE.stacks);
    expect(rows.map((_, at) => movable(rows, at))).toEqual([false, true, true]);
  });

  it("shows the same edit in all heads of a layer, or of all layers, as one row", () => {
    const inLayer = (layer: number) => [0, 1, 2, 3].map((head): Edit => ({ ...CUT, layer, head }));
    const rows = rowsOf(changesOf([...inLayer(2), OFF]), TRACE.stacks);
    expect(rows.map(({ over, changes }) => [over, changes.length])).toEqual([
      ["layer", 4],
      ["head", 1],
    ]);
    const everywhere = rowsOf(changesOf([...inLayer(0), ...inLayer(2)]), TRACE.stacks);
    expect(everywhere.map(({ over }) => over)).toEqual(["all"]);
    const one = muteChanges(changesOf(inLayer(2)), [{ ...CUT, head: 0 }], true);
    expect(rowsOf(one, TRACE.stacks).map(({ over }) => over)).toEqual(["head", "head", "head", "head"]);
  });
});

describe("the words of a change", () => {
  it("are short", () => {
    expect(changePhrase(OFF, TRACE)).toBe("2.1 output off");
    expect(changePhrase(CUT, TRACE)).toBe("2.1 John → Mary cut");
    expect(changePhrase(SET, TRACE)).toBe("2.1 John → and = .90");
    expect(changePhrase(NEURONS, TRACE)).toBe("2.1 q 0 · 4 × .50");
    expect(changePhrase({ ...CUT, query: [2, 3], key: 1 }, TRACE, "layer")).toBe("layer 2 Mary hidden");
    expect(changePhrase({ ...CUT, query: "John", key: ["and", 2] })).toBe("2.1 John → and (2) cut");
    expect(changeWords({ ...OFF, stack: "encoder" }).place).toBe("encoder 2.1");
    expect(changePhrase({ type: "PatchHead", layer: 2, head: 1, source: {}, what: "output" })).toBe(
      "2.1 output patched",
    );
  });

  it("write numbers as the views do", () => {
    expect([0, 0.5, 1, 1.25, 2, -1, -0.5].map(factorText)).toEqual([
      "off",
      "× .50",
      "× 1",
      "× 1.25",
      "× 2",
      "× −1",
      "× −.50",
    ]);
    expect([0.001, 0.04, 0.744].map(shortNumber)).toEqual([".001", ".04", ".74"]);
  });
});

describe("a JSON file of edits", () => {
  it("keeps what Python writes", () => {
    const written =
      '[{"type": "ScaleHead", "layer": 3, "head": 1, "factor": 0.0}, {"type": "CutEdge", "layer": 3, "head": 1, "query": "nurse", "key": ["the", 2]}]';
    expect(editsFromJson(written)).toEqual(JSON.parse(written));
    expect(editsFromJson(editsToJson([OFF, NEURONS]))).toEqual([OFF, NEURONS]);
  });

  it.each([
    ["{", "This file is not JSON."],
    ["{}", "This file has no list of edits."],
    ["[3]", "Edit 1 of this file has no type."],
    ['[{"type":"Mask"}]', "Edit 1 of this file has the unknown type Mask"],
    ['[{"type":"toString"}]', "Edit 1 of this file has the unknown type toString"],
    ['[{"type":"ScaleHead","layer":1,"head":0}]', "Edit 1 of this file, a ScaleHead, has no `factor`."],
    ['[{"type":"ScaleHead","layer":1,"head":0,"factor":"a"}]', '`factor` "a": it must be a number.'],
    ['[{"type":"ScaleHead","layer":-1,"head":0,"factor":1}]', "`layer` -1: it must be a whole number."],
  ])("says in a sentence what is wrong with %s", (text, sentence) => {
    expect(() => editsFromJson(text)).toThrow(sentence);
  });
});

describe("a change described by name", () => {
  const form: EditForm = {
    ...{ kind: "head", stack: "decoder", head: "2.1", query: "John", key: "Mary", dims: "4, 0" },
    ...{ vector: "q", number: "0.5" },
  };

  it("is the edit that it names", () => {
    expect(editOf(form, TRACE)).toEqual({ ...OFF, factor: 0.5 });
    expect(editOf({ ...form, kind: "cut" }, TRACE)).toEqual(CUT);
    expect(editOf({ ...form, kind: "weight", key: "and#2" }, TRACE)).toEqual({ ...SET, key: 4, weight: 0.5 });
    expect(editOf({ ...form, kind: "cut", query: "2-3" }, TRACE)).toEqual({ ...CUT, query: [2, 3] });
    expect(editOf({ ...form, kind: "neurons" }, TRACE)).toEqual(NEURONS);
  });

  it.each([
    [{ head: "two" }, 'Name a head by its layer and number, as 9.4; got "two".'],
    [{ head: "7.1" }, "There is no layer 7: the model has layers 0 to 2."],
    [{ head: "1.0" }, "Layer 1 has no attention."],
    [{ head: "2.9" }, "Layer 2 has heads 0 to 3, not 9."],
    [{ number: "" }, 'The factor must be a number; got "".'],
    [{ kind: "weight", number: "2" }, "A weight is between 0 and 1; got 2."],
    [{ kind: "cut", key: "Peter" }, "Peter"],
    [{ kind: "neurons", dims: "x" }, 'Name dimensions by their numbers, as 10, 42; got "x".'],
    [{ kind: "neurons", dims: "9" }, "There is no dimension 9: the head has 0 to 7."],
  ] as const)("is refused in a sentence: %o", (part, sentence) => {
    expect(() => editOf({ ...form, ...part }, TRACE)).toThrow(sentence);
  });
});
