import { describe, expect, it } from "vitest";
import { applyAddress, readHash, writeHash } from "../src/state/hash";
import { reduce } from "../src/state/reduce";
import { type AppState, EMPTY, neuronHead } from "../src/state/state";
import type { TraceMessage } from "../src/wire/messages";

const SHAPE = { heads: 4, kv_heads: 2, qk_dim: 8, v_dim: 8 };
const TRACE: TraceMessage = {
  v: 1,
  id: "r1",
  type: "trace",
  last: true,
  trace: "hash",
  model: { name: "m", title: "m", kind: "decoder", dtype: "float32", quantization: null, parameters: 1 },
  input: { text: "a", pair: null },
  tokens: { text: [{ text: "a", id: 1, special: false, sentence: null, continues: false, raw: false }] },
  stacks: {
    decoder: {
      ...{ layers: 3, heads: 4, kv_heads: 2, head_dim: 8, causal: true, query: "text", key: "text" },
      shapes: [SHAPE, SHAPE, SHAPE],
    },
  },
  warnings: [],
  certificate: null,
  next: null,
  tensors: new Map(),
};
const traced: AppState = reduce(EMPTY, { type: "traced", trace: TRACE });

describe("the marked neuron", () => {
  it("is kept until another head, layer or stack is on show", () => {
    const marked = reduce(traced, { type: "neuron", neuron: 5 });
    expect(marked.selection.neuron).toBe(5);
    expect(reduce(marked, { type: "toggle-head", head: 3 }).selection.neuron).toBe(5);
    expect(reduce(marked, { type: "toggle-head", head: 0 }).selection.neuron).toBeNull();
    expect(reduce(marked, { type: "neuron-head", head: 2 }).selection.neuron).toBeNull();
    expect(reduce(marked, { type: "layer", layer: 2 }).selection.neuron).toBeNull();
  });

  it("belongs to the head chosen, else to the first that is on", () => {
    const chosen = reduce(traced, { type: "neuron-head", head: 2 });
    expect(neuronHead(traced)).toBe(0);
    expect(neuronHead(chosen)).toBe(2);
    expect(neuronHead(reduce(chosen, { type: "toggle-head", head: 2 }))).toBe(0);
  });

  it("travels in the address with its head, its order and whether it is open", () => {
    let state = reduce(traced, { type: "neuron-head", head: 2 });
    state = reduce(state, { type: "neuron", neuron: 7 });
    state = reduce(state, { type: "view", view: { neurons: "closed", order: "contribution" } });
    const again = applyAddress(EMPTY, readHash(writeHash(state)));
    expect(again.selection).toMatchObject({ head: 2, neuron: 7 });
    expect(again.view).toMatchObject({ neurons: "closed", order: "contribution" });
  });
});
