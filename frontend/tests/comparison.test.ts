import { describe, expect, it } from "vitest";
import { HostError, type Source } from "../src/source/source";
import { writeHash } from "../src/state/hash";
import { createSession } from "../src/state/session";
import { type Change, edgeBeside } from "../src/state/state";
import type { AlignMessage, Edit, Message, Request, Token, TraceMessage } from "../src/wire/messages";

const OFF: Edit = { type: "ScaleHead", layer: 1, head: 2, factor: 0, stack: null };
const HALF: Edit = { ...OFF, factor: 0.5 };

const made = (...edits: readonly Edit[]): readonly Change[] => edits.map((edit) => ({ edit, muted: false }));

function token(id: number): Token {
  return { text: String(id), id, special: false, sentence: null, continues: false, raw: false };
}

/** A trace named after its tokens and its edits, so that the same input with the same edits is the same trace. */
function trace(ids: readonly number[], edits: readonly Edit[] = [], model = "m"): TraceMessage {
  const shape = { heads: 4, kv_heads: 4, qk_dim: 8, v_dim: 8 };
  const stack = { layers: 2, heads: 4, kv_heads: 4, head_dim: 8, causal: true, query: "text", key: "text" };
  return {
    ...{ v: 1, id: "1", last: true, type: "trace", tensors: new Map() },
    trace: `${model} ${ids} ${JSON.stringify(edits)}`,
    model: { name: model, title: model, kind: "decoder", dtype: null, quantization: null, parameters: null },
    input: { text: ids.join(" "), pair: null },
    tokens: { text: ids.map(token) },
    stacks: { decoder: { ...stack, shapes: [shape, shape] } },
    ...{ edits, warnings: [], certificate: null, next: null },
  };
}

/** A host with a model that runs any text of numbers, with any edits but those of layer 9. */
function host() {
  const asked: Request[] = [];
  const traces = new Map<string, readonly number[]>();
  const passes = new Map<string, TraceMessage>();
  const run = (ids: readonly number[], edits: readonly Edit[], model: string): TraceMessage => {
    const found = trace(ids, edits, model);
    traces.set(found.trace, ids);
    passes.set(found.trace, found);
    return found;
  };
  const answer = (request: Request): Message => {
    const edits = (request.edits ?? []) as readonly Edit[];
    if (edits.some(({ layer }) => layer === 9)) throw new HostError("bad_request", "There is no layer 9.");
    switch (request.type) {
      case "hello":
        return {
          ...{ v: 1, id: "1", last: true, type: "hello", tensors: new Map(), version: "1", model: "m" },
          ...{ models: [], examples: [], can: ["run"], limits: {}, measures: [], trace: null },
        } as unknown as Message;
      case "run": {
        const known = traces.get(String(request.trace));
        const ids = known ?? String(request.text).split(" ").map(Number);
        return run(ids, edits, String(request.model ?? "m"));
      }
      case "trace": {
        const found = passes.get(String(request.trace));
        if (found === undefined) throw new HostError("unknown", "gone");
        return found;
      }
      case "align":
        return {
          ...{ v: 1, id: "1", last: true, type: "align", tensors: new Map() },
          ...{ trace: request.trace, baseline: request.baseline, identical: false },
          ...{ sides: { text: [0, -1, 1] }, substituted: [], notes: [] },
          stacks: { decoder: { layers: 2, note: null, heads: [4, 4] } },
        } as unknown as AlignMessage;
      default:
        throw new HostError("unknown", "gone");
    }
  };
  const source: Source = {
    async *request(request) {
      asked.push(request);
      yield answer(request);
    },
  };
  return { source, asked };
}

/** Waits until everything that was asked has been answered. */
const settled = () => new Promise((done) => setTimeout(done, 200));

async function opened() {
  const { source, asked } = host();
  const session = createSession(source);
  await session.start("#text=1+2+3");
  return { session, asked, runs: () => asked.filter(({ type }) => type === "run") };
}

describe("a change", () => {
  it("runs the input again with it, and shows that pass beside the one without", async () => {
    const { session, runs } = await opened();
    const first = session.state().trace;
    session.change(made(OFF), "turn off head 1.2");
    expect(session.pending()).toBe(true);
    await settled();
    expect(session.pending()).toBe(false);
    expect(runs().at(-1)).toMatchObject({ trace: first?.trace, edits: [OFF] });
    const { comparison, trace: shown, field } = session.state();
    expect([comparison?.kind, comparison?.baseline.trace, field]).toEqual([
      "unchanged",
      first?.trace,
      "after",
    ]);
    expect(shown?.edits).toEqual([OFF]);
    expect(comparison?.alignment?.sides.text).toEqual([0, 1, 2]);
  });

  it("is one step of undo, which needs no further pass", async () => {
    const { session, runs } = await opened();
    const first = session.state().trace?.trace;
    session.change(made(OFF), "turn off head 1.2");
    await settled();
    const count = runs().length;
    expect(session.undoes()).toBe("turn off head 1.2");
    session.undo();
    await settled();
    expect(session.state()).toMatchObject({ comparison: null, changes: [], field: "after" });
    expect(session.state().trace?.trace).toBe(first);
    session.redo();
    await settled();
    expect(session.state().trace?.edits).toEqual([OFF]);
    expect(session.state().comparison?.baseline.trace).toBe(first);
    expect(runs().length).toBe(count);
  });

  it("is made if undo leads back to it before its pass had arrived", async () => {
    const { session } = await opened();
    session.change(made(OFF), "turn off head 1.2");
    session.change(made(HALF), "scale head 1.2");
    session.undo();
    await settled();
    expect(session.state().trace?.edits).toEqual([OFF]);
  });

  it("runs once for a hand that moves, with what it rests on", async () => {
    const { session, runs } = await opened();
    const before = runs().length;
    for (const factor of [0.9, 0.7, 0.5]) session.change(made({ ...OFF, factor }), "scale head 1.2");
    await settled();
    expect(
      runs()
        .slice(before)
        .map(({ edits }) => edits),
    ).toEqual([[HALF]]);
    session.undo();
    expect(session.state().changes).toEqual([]);
  });

  it("that is the last one to go leaves the model as it is", async () => {
    const { session } = await opened();
    session.change(made(OFF), "turn off head 1.2");
    await settled();
    session.change([{ edit: OFF, muted: true }], "mute head 1.2");
    await settled();
    expect(session.state().comparison).toBeNull();
    expect(session.state().trace?.edits).toEqual([]);
    expect(session.state().changes).toHaveLength(1);
  });

  it("that the model refuses is muted, and the pass before it stays", async () => {
    const { session } = await opened();
    session.change(made(OFF), "turn off head 1.2");
    await settled();
    session.change(made(OFF, { ...OFF, layer: 9 }), "turn off head 9.2");
    await settled();
    expect(session.failure()?.sentence).toBe("There is no layer 9.");
    expect(session.state().changes.map(({ muted }) => muted)).toEqual([false, true]);
    expect(session.state().trace?.edits).toEqual([OFF]);
  });

  it("of a new input does not stay", async () => {
    const { session } = await opened();
    session.change(made(OFF), "turn off head 1.2");
    await settled();
    await session.run({ text: "4 5", pair: null, model: null });
    expect(session.state()).toMatchObject({ comparison: null, changes: [] });
    session.undo();
    await settled();
    expect(session.state().trace?.edits).toEqual([OFF]);
    expect(session.state().comparison?.kind).toBe("unchanged");
  });
});

describe("another prompt as the baseline", () => {
  it("shows the difference, with the tokens that the host aligned", async () => {
    const { session } = await opened();
    session.dispatch({ type: "pin", place: { side: "query", index: 2 } });
    session.dispatch({ type: "pin", place: { side: "key", index: 1 } });
    await session.compareWith({ kind: "prompt", input: { text: "1 3", pair: null, model: null } });
    await settled();
    const { comparison, field } = session.state();
    expect([comparison?.baseline.input.text, field]).toEqual(["1 3", "difference"]);
    expect(comparison?.alignment?.sides.text).toEqual([0, -1, 1]);
    expect(edgeBeside(session.state(), { query: 2, key: 0 })).toEqual({ query: 1, key: 0 });
    expect(edgeBeside(session.state(), { query: 2, key: 1 })).toBeNull();
  });

  it("moves selected and pinned tokens to their counterparts, and drops those that have none", async () => {
    const { session } = await opened();
    for (const [side, index] of [
      ["query", 2],
      ["key", 1],
    ] as const)
      session.dispatch({ type: "pin", place: { side, index } });
    await session.compareWith({ kind: "prompt", input: { text: "1 3", pair: null, model: null } });
    await settled();
    session.dispatch({ type: "field", field: "before" });
    expect(session.state().trace?.input.text).toBe("1 3");
    expect(session.state().pins).toEqual([{ side: "query", index: 1 }]);
    session.dispatch({ type: "field", field: "after" });
    expect(session.state().pins).toEqual([{ side: "query", index: 2 }]);
  });

  it("stays when the current pass is changed", async () => {
    const { session } = await opened();
    await session.compareWith({ kind: "prompt", input: { text: "1 3", pair: null, model: null } });
    await settled();
    session.change(made(OFF), "turn off head 1.2");
    await settled();
    const { comparison, field } = session.state();
    expect([comparison?.kind, comparison?.baseline.input.text, field]).toEqual([
      "prompt",
      "1 3",
      "difference",
    ]);
    expect(comparison?.current.edits).toEqual([OFF]);
    await session.compareWith(null);
    expect(session.state().trace?.edits).toEqual([OFF]);
    session.undo();
    expect(session.state().comparison?.kind).toBe("prompt");
  });
});

describe("the pass on show as the baseline", () => {
  it("is what later changes are measured from", async () => {
    const { session } = await opened();
    session.change(made(OFF), "turn off head 1.2");
    await settled();
    await session.compareWith({ kind: "kept" });
    session.change(made(HALF), "scale head 1.2");
    await settled();
    const { comparison } = session.state();
    expect([comparison?.baseline.edits, comparison?.current.edits]).toEqual([[OFF], [HALF]]);
  });
});

describe("an address of two passes", () => {
  async function left() {
    const { source, asked } = host();
    const session = createSession(source);
    await session.start("#text=1+2+3");
    session.change([...made(OFF), { edit: HALF, muted: true }], "turn off head 1.2");
    await settled();
    session.dispatch({ type: "field", field: "before" });
    const { trace, comparison, changes } = session.state();
    expect(trace?.trace).toBe(comparison?.baseline.trace);
    return { source, asked, hash: writeHash(session.state()), comparison, changes };
  }

  it("leads back to both, the field and the changes, without another run", async () => {
    const { source, asked, hash, comparison, changes } = await left();
    const before = asked.length;
    const session = createSession(source);
    await session.start(`#${hash}`);
    await settled();
    expect(session.state()).toMatchObject({ field: "before", changes });
    expect(session.state().comparison).toMatchObject({
      kind: "unchanged",
      baseline: { trace: comparison?.baseline.trace },
      current: { trace: comparison?.current.trace },
    });
    expect(session.state().trace?.trace).toBe(comparison?.baseline.trace);
    expect(asked.slice(before).filter(({ type }) => type === "run")).toEqual([]);
    expect(session.undoes()).toBeNull();
    await session.visit(`#${hash.replace("field=before", "field=difference")}`);
    expect(session.state()).toMatchObject({ field: "difference", changes });
  });

  it("makes the changes again where the host has lost the passes", async () => {
    const { hash, changes } = await left();
    const { source } = host();
    const session = createSession(source);
    await session.start(`#${hash}`);
    await settled();
    expect(session.state()).toMatchObject({ changes, comparison: { kind: "unchanged" } });
    expect(session.state().comparison?.current.edits).toEqual([OFF]);
  });

  it("without its baseline shows the current pass, and says so", async () => {
    const { source, hash, comparison } = await left();
    const session = createSession(source);
    const current = comparison?.current.trace ?? "";
    const other = new URLSearchParams(hash);
    other.set("baseline", "gone");
    await session.start(`#${other}`);
    await settled();
    expect(session.state().comparison).toBeNull();
    expect(session.state().trace?.trace).toBe(current);
    expect(session.remark()?.sentence).toContain("no longer has the pass that this link compares with");
  });
});
