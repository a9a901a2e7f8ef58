import { describe, expect, it } from "vitest";
import { applyAddress, readHash } from "../src/state/hash";
import { reduce } from "../src/state/reduce";
import { type AppState, EMPTY } from "../src/state/state";
import { addressOf, stepsTo, stepsToMissed, type Traits, traitsOf } from "../src/state/traits";
import type { TraceMessage } from "../src/wire/messages";

const shape = { heads: 4, kv_heads: 2, qk_dim: 8, v_dim: 8 };
const stack = { layers: 3, heads: 4, kv_heads: 2, head_dim: 8, causal: true, shapes: [shape, shape, shape] };
const word = { id: 1, special: false, sentence: null, continues: false, raw: false };
const trace = {
  type: "trace",
  trace: "t",
  model: { name: "m", title: "m" },
  input: { text: "a b", pair: null },
  tokens: { text: [" a", " b"].map((text) => ({ ...word, text })) },
  stacks: { decoder: { ...stack, query: "text", key: "text" } },
} as unknown as TraceMessage;
const wanted: Traits = {
  view: "neuron",
  stack: "decoder",
  layer: 2,
  heads: [1, 3],
  head: 3,
  token: 1,
  neuron: 5,
  baseline: null,
  field: "after",
  edits: [],
  _current: "t",
};
const follow = (state: AppState, traits: Traits) => stepsTo(state, traits).reduce(reduce, state);
const traced = reduce(EMPTY, { type: "traced", trace });

describe("the traits of a widget", () => {
  it("are nothing before there is a trace", () => {
    expect(traitsOf(EMPTY)).toBeNull();
    expect(stepsTo(EMPTY, wanted)).toEqual([]);
  });

  it("lead to a state that has these traits", () => {
    const state = follow(traced, wanted);
    expect(traitsOf(state)).toEqual(wanted);
    expect(state.frame.whole).toBe("one");
    expect(stepsTo(state, wanted)).toEqual([]);
  });

  it("are what a session starts with", () => {
    const before = applyAddress(EMPTY, readHash(addressOf(wanted)));
    expect(traitsOf(reduce(before, { type: "traced", trace }))).toEqual(wanted);
  });

  it("that changed before there was a trace are followed once it is there, the others stay as they are", () => {
    const late: Traits = { ...wanted, view: "model", stack: "", token: null, neuron: null };
    expect(stepsToMissed(EMPTY, late, new Set(["layer"]))).toEqual([]);
    const shown = reduce(traced, { type: "token", token: { side: "query", index: 1 } });
    const state = stepsToMissed(shown, late, new Set(["layer", "heads", "stack"])).reduce(reduce, shown);
    expect(traitsOf(state)).toMatchObject({ stack: "decoder", layer: 2, heads: [1, 3], token: 1 });
    expect(stepsToMissed(shown, late, new Set())).toEqual([]);
  });

  it("hold the baseline, the field and the edits that are made", () => {
    const before = { ...trace, trace: "b" } as TraceMessage;
    const comparison = { kind: "unchanged", baseline: before, current: trace, alignment: null } as const;
    const off = { type: "ScaleHead", layer: 1, head: 2, factor: 0 };
    const changes = [
      { edit: off, muted: false },
      { edit: { ...off, head: 3 }, muted: true },
    ];
    const compared = reduce(reduce(traced, { type: "compared", comparison, field: "before" }), {
      ...{ type: "changes", changes, name: "turn heads off" },
    });
    const now = traitsOf(compared) as Traits;
    expect(now).toMatchObject({ baseline: "b", field: "before", edits: [off], _current: "t" });
    expect(stepsTo(compared, now)).toEqual([]);
    expect(stepsTo(compared, { ...now, field: "difference", edits: [] })).toEqual([
      { type: "field", field: "difference" },
      { type: "changes", changes: [], name: "set the edits" },
    ]);
    expect(stepsTo(compared, { ...now, baseline: null, field: "after" })).toEqual([]); // loaded, not a step
  });

  it("name every head where none is chosen, and no key as a query", () => {
    const state = reduce(traced, { type: "token", token: { side: "key", index: 1 } });
    expect(traitsOf(state)).toMatchObject({ heads: [0, 1, 2, 3], head: 0, token: null });
    expect(stepsTo(state, traitsOf(state) as Traits)).toEqual([]);
  });
});
