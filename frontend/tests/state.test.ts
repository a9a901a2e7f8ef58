import { describe, expect, it } from "vitest";
import { applyAddress, readHash, writeHash, writeView } from "../src/state/hash";
import { begin, redo, step, undo } from "../src/state/history";
import { reduce } from "../src/state/reduce";
import { type AppState, EMPTY, type Frame, headsOn, type ViewSettings } from "../src/state/state";
import type { Token, TraceMessage } from "../src/wire/messages";

function token(text: string, sentence: Token["sentence"] = null): Token {
  return { text, id: text.length, special: false, sentence, continues: false, raw: false };
}

function trace(name: string, words: readonly string[], heads = 4): TraceMessage {
  const shape = { heads, kv_heads: 2, qk_dim: 8, v_dim: 8 };
  return {
    v: 1,
    id: "r1",
    type: "trace",
    last: true,
    trace: `hash-${name}-${words.length}`,
    model: { name, title: name, kind: "decoder", dtype: "float32", quantization: null, parameters: 1 },
    input: { text: words.join(" "), pair: null },
    tokens: { text: words.map((word) => token(word)) },
    stacks: {
      decoder: {
        layers: 3,
        heads,
        kv_heads: 2,
        head_dim: 8,
        causal: true,
        query: "text",
        key: "text",
        shapes: [shape, null, shape],
      },
    },
    warnings: [],
    certificate: null,
    next: null,
    tensors: new Map(),
  };
}

function traced(...words: readonly string[]): AppState {
  return reduce(EMPTY, { type: "traced", trace: trace("m", words) });
}

describe("heads", () => {
  it("are all on at first, toggle one by one, and one always stays on", () => {
    let state = traced("a", "b");
    expect(headsOn(state)).toEqual([0, 1, 2, 3]);
    for (const head of [0, 1, 2, 3, 3]) state = reduce(state, { type: "toggle-head", head });
    expect(headsOn(state)).toEqual([3]);
    expect(headsOn(reduce(state, { type: "toggle-head", head: 1 }))).toEqual([1, 3]);
  });

  it("are isolated, and brought back by isolating the one that is alone", () => {
    const alone = reduce(traced("a"), { type: "isolate-head", head: 2 });
    expect(headsOn(alone)).toEqual([2]);
    expect(headsOn(reduce(alone, { type: "isolate-head", head: 2 }))).toEqual([0, 1, 2, 3]);
  });
});

describe("a head chosen in the model view", () => {
  it("is alone on its layer; another of that layer lies over it; one of another layer takes its place", () => {
    let state = reduce(traced("a"), { type: "head", layer: 2, head: 1 });
    expect([state.selection.layer, headsOn(state)]).toEqual([2, [1]]);
    state = reduce(state, { type: "add-head", layer: 2, head: 3 });
    expect([state.selection.layer, headsOn(state)]).toEqual([2, [1, 3]]);
    state = reduce(state, { type: "add-head", layer: 2, head: 1 });
    expect(headsOn(state)).toEqual([3]);
    state = reduce(state, { type: "add-head", layer: 0, head: 2 });
    expect([state.selection.layer, headsOn(state)]).toEqual([0, [2]]);
  });

  it("comes with an example", () => {
    const next = { type: "traced", trace: trace("m", ["b"]), select: { layer: 2, heads: [3] } } as const;
    const state = reduce(traced("a"), next);
    expect([state.selection.layer, headsOn(state)]).toEqual([2, [3]]);
  });
});

describe("the state", () => {
  it("keeps the layer within the model", () => {
    expect(reduce(traced("a"), { type: "layer", layer: 99 }).selection.layer).toBe(2);
    expect(reduce(traced("a"), { type: "layer", layer: -1 }).selection.layer).toBe(0);
  });

  it("keeps pins over the same words and drops them over others", () => {
    const pinned = reduce(traced("a", "bb"), { type: "pin", place: { side: "query", index: 1 } });
    expect(reduce(pinned, { type: "traced", trace: trace("m", ["a", "bb"]) }).pins).toHaveLength(1);
    expect(reduce(pinned, { type: "traced", trace: trace("m", ["a", "bbb"]) }).pins).toHaveLength(0);
  });

  it("pins a second time to unpin", () => {
    const action = { type: "pin", place: { side: "key", index: 0 } } as const;
    expect(reduce(reduce(traced("a"), action), action).pins).toEqual([]);
  });

  it("is never changed in place", () => {
    const before = traced("a", "b");
    const copy = structuredClone({ ...before, trace: null });
    reduce(before, { type: "toggle-head", head: 1 });
    expect({ ...before, trace: null }).toEqual(copy);
  });
});

describe("the address", () => {
  it("brings back what it was written from", () => {
    let state = traced("a", "bb", "ccc");
    state = reduce(state, { type: "layer", layer: 2 });
    state = reduce(state, { type: "heads", heads: [0, 3] });
    state = reduce(state, { type: "pin", place: { side: "key", index: 1 } });
    state = reduce(state, { type: "token", token: { side: "query", index: 2 } });
    state = reduce(state, { type: "view", view: { scale: "root", sinks: "hidden", theme: "dark" } });
    state = reduce(state, { type: "view", view: { thumbnails: "map" } });
    const widths = { model: 300, head: null };
    state = reduce(state, { type: "frame", frame: { at: "side", whole: "one", side: "weights", widths } });
    const address = readHash(`#${writeHash(state)}`);
    const again = reduce(applyAddress(EMPTY, address), {
      type: "traced",
      trace: trace("m", ["a", "bb", "ccc"]),
    });
    expect(again.selection).toEqual(state.selection);
    expect(again.pins).toEqual(state.pins);
    expect(again.view).toEqual(state.view);
    expect(again.frame).toEqual(state.frame);
    expect([address.text, address.model, address.trace]).toEqual(["a bb ccc", "m", "hash-m-3"]);
  });

  it("holds the baseline, the field and the changes", () => {
    const current = {
      ...trace("b", ["x", "y"]),
      edits: [{ type: "ScaleHead", layer: 0, head: 1, factor: 0 }],
    };
    const comparison = {
      kind: "unchanged",
      baseline: trace("a", ["x", "y"]),
      current,
      alignment: null,
    } as const;
    const changes = [
      { edit: { type: "ScaleHead", layer: 0, head: 1, factor: 0 }, muted: false },
      { edit: { type: "CutEdge", layer: 0, head: 2, query: "x y", key: 0 }, muted: true },
    ];
    const shown = reduce(reduce(EMPTY, { type: "traced", trace: current }), {
      ...{ type: "compared", comparison, field: "before" },
    });
    const hash = writeHash({ ...shown, changes });
    expect(readHash(hash)).toMatchObject({
      trace: current.trace,
      compared: { baseline: comparison.baseline.trace, field: "before", kind: "unchanged", changes },
    });
    expect(readHash(`#${writeView({ ...shown, changes })}`).compared).toMatchObject({
      baseline: null,
      changes,
    });
    const wrong = readHash('field=both&compare=x&changes=[{"layer":1}]');
    expect(wrong.compared).toEqual({ baseline: null, field: null, kind: null, changes: null });
    expect(readHash("layer=1").compared.changes).toBeNull();
  });

  it("reads the old spellings of addresses that people saved", () => {
    const { view } = readHash("#sinks=renormalised&palette=grey&measure=normalised_entropy");
    expect(view).toMatchObject({ sinks: "renormalized", palette: "gray", measure: "normalized_entropy" });
  });

  it("carries every setting", () => {
    const view: ViewSettings = {
      ...{ filter: "AB", scale: "log", sinks: "renormalized", palette: "cividis", theme: "dark" },
      ...{ thumbnails: "lines", neurons: "closed", order: "wavelength", values: "shown" },
      ...{ orientation: "rows", pictures: "alone", threshold: 0.25, top: 3 },
      ...{ measure: "entropy", measured: "off-sink", tint: "off", sort: "layers", range: [null, 0.5] },
    };
    for (const name of Object.keys(EMPTY.view) as (keyof ViewSettings)[]) {
      expect(view[name], name).not.toEqual(EMPTY.view[name]);
    }
    const frame: Frame = {
      widths: { model: 210, head: 300 },
      at: "model",
      whole: "one",
      side: "edges",
      camera: { x: 2.5, y: 1, zoom: 8 },
    };
    const address = readHash(writeHash({ ...traced("a"), view, frame }));
    expect(address.view).toEqual(view);
    expect(address.frame).toEqual(frame);
  });

  it("is readable", () => {
    const state = reduce(traced("The quick,", "fox"), { type: "heads", heads: [0, 3] });
    expect(writeHash(state)).toBe("model=m&text=The+quick,+fox&trace=hash-m-2&layer=0&heads=0,3");
  });

  it.each([
    "a&b=c#d+e%",
    "line\nbreak",
    "emoji 🦊 \u200f",
    "half \ud800 pair",
  ])("carries any text: %j", (text) => {
    const state = reduce(EMPTY, { type: "traced", trace: trace("m", [text]) });
    expect(readHash(writeHash(state)).text).toBe(text.toWellFormed());
  });

  it("takes no notice of what makes no sense", () => {
    const address = readHash(
      "#layer=x&heads=1,,b,-3,2&pins=q1,z9,k&scale=cubic&theme=<b>&filter=CC&at=9&widths=1e9,-4&neuron=x",
    );
    expect(address).toMatchObject({ layer: 0, heads: [1, 2] });
    expect(address.view).toEqual(EMPTY.view);
    expect(address.frame).toEqual(EMPTY.frame);
    expect(address.pins).toEqual([{ side: "query", index: 1 }]);
  });
});

describe("history", () => {
  it("goes back and forth, and forgets what was undone once something else is done", () => {
    let history = step(step(begin("a"), "b"), "c");
    history = undo(history);
    expect(history.present).toBe("b");
    expect(redo(history).present).toBe("c");
    expect(redo(step(history, "d")).present).toBe("d");
    expect(undo(undo(undo(history))).present).toBe("a");
  });
});

describe("several stacks", () => {
  const shape = { heads: 2, kv_heads: 2, qk_dim: 8, v_dim: 8 };
  const stack = (query: string, key: string, shapes: readonly (typeof shape | null)[]) => ({
    ...{ layers: shapes.length, heads: 2, kv_heads: 2, head_dim: 8, causal: false, query, key, shapes },
  });
  const both = {
    ...trace("t5", ["a"]),
    tokens: { source: [token("a"), token("b"), token("c")], target: [token("x"), token("y")] },
    stacks: {
      encoder: stack("source", "source", [null, shape, shape]),
      decoder: stack("target", "target", [shape]),
      cross: stack("target", "source", [shape, null, null, shape]),
    },
  };
  const start = reduce(EMPTY, { type: "traced", trace: both });

  it("begin at the first layer that has attention, and steps pass over those that have none", () => {
    expect(start.selection).toMatchObject({ stack: "encoder", layer: 1 });
    let state = reduce(start, { type: "stack", stack: "cross" });
    expect(state.selection.layer).toBe(0);
    state = reduce(state, { type: "layer", layer: 1 });
    expect(state.selection.layer).toBe(3);
    expect(reduce(state, { type: "layer", layer: 2 }).selection.layer).toBe(0);
  });

  it("keep the tokens that they share, on the side where those stand", () => {
    let state = reduce(start, { type: "token", token: { side: "query", index: 2 } });
    state = reduce(state, { type: "stack", stack: "cross" });
    expect(state.selection.token).toEqual({ side: "key", index: 2 });
    state = reduce(state, { type: "edge", query: 1, key: 2 });
    state = reduce(state, { type: "stack", stack: "decoder" });
    expect(state.selection.token).toEqual({ side: "query", index: 1 });
    expect(state.pins).toEqual([{ side: "query", index: 1 }]);
  });

  it("have a target and a chat in the address", () => {
    const messages = [{ role: "user", content: "a & b" }];
    const named = { ...both, input: { text: "a b", pair: null, target: "x + y", messages } };
    const hash = writeHash(reduce(EMPTY, { type: "traced", trace: named }));
    expect(readHash(hash)).toMatchObject({ text: "a b", target: "x + y", messages, stack: "encoder" });
    expect(readHash("messages=[1]").messages).toBeNull();
    expect(readHash(hash).continues).toBe(false);
    const continued = { ...named.input, continue_final_message: true };
    const traced = reduce(EMPTY, { type: "traced", trace: { ...named, input: continued } });
    expect(readHash(writeHash(traced)).continues).toBe(true);
  });
});
