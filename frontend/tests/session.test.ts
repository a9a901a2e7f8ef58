import { describe, expect, it } from "vitest";
import { DisconnectedError, HostError, type Source } from "../src/source/source";
import { inputOfTrace, requestOf } from "../src/state/input";
import { createSession } from "../src/state/session";
import type { Message, Request, Token, TraceMessage } from "../src/wire/messages";

function trace(name: string, tokens: number): TraceMessage {
  const shape = { heads: 4, kv_heads: 4, qk_dim: 8, v_dim: 8 };
  const token: Token = {
    text: "a",
    id: tokens,
    special: false,
    sentence: null,
    continues: false,
    raw: false,
  };
  return {
    ...{ v: 1, id: "1", last: true, type: "trace", trace: name, tensors: new Map() },
    model: { name: "m", title: "M", kind: "decoder", dtype: null, quantization: null, parameters: null },
    input: { text: name, pair: null },
    tokens: { text: Array.from({ length: tokens }, () => token) },
    stacks: {
      decoder: {
        ...{ layers: 2, heads: 4, kv_heads: 4, head_dim: 8, causal: true, query: "text", key: "text" },
        shapes: [shape, shape],
      },
    },
    ...{ warnings: [], certificate: null, next: null },
  };
}

/** Answers every request with what `answer` gives; never, where that is null. */
function sourceOf(answer: (request: Request) => Message | Error | null): Source {
  return {
    async *request(request, { signal }) {
      const now = answer(request);
      if (now instanceof Error) throw now;
      if (now !== null) yield now;
      else await new Promise((_, stop) => signal.addEventListener("abort", () => stop(new Error("aborted"))));
    },
  };
}

function shown(tokens: number) {
  const session = createSession(sourceOf(() => null));
  session.dispatch({ type: "traced", trace: trace("first", tokens) });
  return session;
}

describe("a model that was not loaded at first", () => {
  it("is asked what it reads once it has run", async () => {
    let loaded = false;
    const greeting = (): Message =>
      ({
        ...{ v: 1, id: "1", last: true, type: "hello", tensors: new Map(), version: "1", model: "m" },
        ...{ models: [{ name: "m", title: "M", kind: "decoder", loaded, chat: loaded ? true : null }] },
        ...{ examples: [], can: ["run"], limits: {}, measures: [], trace: null },
      }) as unknown as Message;
    const session = createSession(
      sourceOf(({ type }) => {
        if (type === "hello") return greeting();
        loaded = true;
        return type === "run" ? trace("first", 3) : new HostError("unknown", "gone");
      }),
    );
    await session.start("#text=first");
    expect(session.hello()?.models[0]).toMatchObject({ loaded: true, chat: true });
  });
});

describe("an address that names tokens by words", () => {
  const texts = ["The", " doctor", " asked", " the", " nurse"];
  const named = (): TraceMessage => {
    const message = trace("first", texts.length);
    return {
      ...message,
      tokens: { text: message.tokens.text.map((one, at) => ({ ...one, text: texts[at] })) },
    };
  };
  const opened = async (hash: string) => {
    const session = createSession(
      sourceOf(({ type }) => (type === "trace" ? named() : new HostError("unknown", "gone"))),
    );
    await session.visit(hash);
    return session;
  };

  it("selects them once the trace is there", async () => {
    const session = await opened("#trace=first&token=nurse");
    expect(session.state().selection.token).toEqual({ side: "query", index: 4 });
    expect(session.tokenToReveal()).toEqual({ side: "query", index: 4 });
    expect(session.undoes()).toBeNull();
    await session.visit("#trace=first&token=the%231");
    expect(session.state().selection.token).toEqual({ side: "query", index: 3 });
    await session.visit("#trace=first&token=q2");
    expect(session.state().selection.token).toEqual({ side: "query", index: 2 });
  });

  it("pins the edge of a query and a key", async () => {
    const { state } = await opened("#trace=first&query=the+nurse&key=doctor");
    expect(state().pins).toEqual([
      { side: "query", index: 4 },
      { side: "key", index: 1 },
    ]);
    expect(state().selection.token).toEqual({ side: "query", index: 4 });
  });

  it("says in a sentence what is not there", async () => {
    const session = await opened("#trace=first&token=dentist");
    expect(session.state().selection.token).toBeNull();
    expect(session.remark()?.sentence).toContain('"dentist" is not a word of the text (tokens: 0 "The"');
  });
});

describe("undo", () => {
  it("says what it would take back, and redo what it would bring back", () => {
    const session = shown(3);
    expect([session.undoes(), session.redoes()]).toEqual([null, null]);
    session.dispatch({ type: "isolate-head", head: 2 });
    session.dispatch({ type: "view", view: { scale: "log" } });
    expect(session.undoes()).toBe("scale");
    session.undo();
    expect([session.undoes(), session.redoes()]).toEqual(["show only head 2", "scale"]);
    expect(session.state().view.scale).toBe("linear");
    session.redo();
    expect(session.state().view.scale).toBe("log");
  });

  it("passes over the theme and the panels", () => {
    const session = shown(3);
    session.dispatch({ type: "pin", place: { side: "query", index: 1 } });
    session.dispatch({ type: "view", view: { theme: "dark" } });
    session.dispatch({ type: "frame", frame: { at: "side", whole: "one" } });
    session.undo();
    expect(session.state().pins).toEqual([]);
    expect(session.state().view.theme).toBe("dark");
    expect(session.state().frame.whole).toBe("one");
  });

  it("takes a drag back as one step", () => {
    const session = shown(3);
    for (const threshold of [0.1, 0.2, 0.3]) session.dispatch({ type: "view", view: { threshold } });
    session.undo();
    expect(session.state().view.threshold).toBe(0);
    expect(session.undoes()).toBe(null);
  });

  it("leads back over a run to the input before it, with its pins", () => {
    const session = shown(9);
    session.dispatch({ type: "pin", place: { side: "query", index: 8 } });
    session.dispatch({ type: "traced", trace: trace("second", 2) });
    session.dispatch({ type: "layer", layer: 1 });
    expect(session.undoes()).toBe("select layer 1");
    session.undo();
    expect(session.undoes()).toBe("show “second”");
    session.undo();
    expect(session.state().trace?.trace).toBe("first");
    expect(session.state().pins).toEqual([{ side: "query", index: 8 }]);
    session.redo();
    expect(session.state().trace?.trace).toBe("second");
    expect(session.state().pins).toEqual([]);
  });

  it("is not led astray by the same input run again", () => {
    const session = shown(3);
    session.dispatch({ type: "traced", trace: trace("first", 3) });
    expect(session.undoes()).toBeNull();
  });
});

describe("earlier inputs", () => {
  const greeting = {
    ...{ v: 1, id: "1", last: true, type: "hello", tensors: new Map(), version: "1", model: "m" },
    models: [
      { name: "m", title: "M", kind: "decoder", loaded: true },
      { name: "n", title: "N", kind: "decoder", loaded: true },
    ],
    ...{ examples: [], can: ["run"], limits: {}, measures: [], trace: null },
  } as unknown as Message;

  /** A session on a host that has some traces, and that runs any text. */
  async function started(held: Set<string>, ran: string[]) {
    const session = createSession(
      sourceOf((request) => {
        if (request.type === "hello") return greeting;
        const name = String(request.type === "run" ? request.text : request.trace);
        if (request.type === "run") ran.push(name);
        if (request.type === "run") held.add(name);
        if (request.type !== "run" && request.type !== "trace") return new HostError("unknown", "none");
        return held.has(name) ? trace(name, name.length) : new HostError("unknown", "dropped");
      }),
    );
    await session.start("#text=first");
    return session;
  }
  const input = (text: string) => ({ text, pair: null, model: "m" });

  it("are listed, newest first, and are shown as they were left", async () => {
    const session = await started(new Set(), []);
    session.dispatch({ type: "pin", place: { side: "query", index: 4 } });
    session.dispatch({ type: "layer", layer: 1 });
    await session.run(input("second"));
    expect(session.recentInputs().map((one) => one.trace.trace)).toEqual(["second", "first"]);
    expect(session.entry()).toBe(1);
    session.dispatch({ type: "layer", layer: 0 });
    await session.reopen("first");
    expect(session.state()).toMatchObject({ pins: [{ side: "query", index: 4 }], selection: { layer: 1 } });
    expect(session.recentInputs().map((one) => one.trace.trace)).toEqual(["first", "second"]);
    expect(session.entry()).toBe(2);
  });

  it("that continue a chat continue it again", () => {
    const messages = [{ role: "assistant", content: "Once upon" }];
    const of = (input: object) => ({
      ...trace("chat", 3),
      input: { text: "…", pair: null, target: null, ...input },
    });
    const again = inputOfTrace(of({ messages, continue_final_message: true }) as TraceMessage);
    expect(again === null ? null : requestOf(again)).toMatchObject({
      messages,
      continue_final_message: true,
    });
    const answered = inputOfTrace(of({ messages }) as TraceMessage);
    expect(answered === null ? null : requestOf(answered)).not.toHaveProperty("continue_final_message");
  });

  it("are run again if the host dropped them", async () => {
    const held = new Set<string>();
    const ran: string[] = [];
    const session = await started(held, ran);
    session.dispatch({ type: "pin", place: { side: "query", index: 4 } });
    await session.run(input("second"));
    held.clear();
    await session.visit("#trace=first&text=first&pins=q4,k2&layer=1");
    expect(ran).toEqual(["first", "second", "first"]);
    expect(session.state()).toMatchObject({
      trace: { trace: "first" },
      pins: [
        { side: "query", index: 4 },
        { side: "key", index: 2 },
      ],
    });
    expect(session.entry()).toBe(1);
    held.clear();
    session.undo();
    await new Promise((done) => setTimeout(done, 20));
    expect(ran).toEqual(["first", "second", "first", "second"]);
    expect(session.state().trace?.trace).toBe("second");
  });

  it("are said to be gone where nothing can run them", async () => {
    const ran: string[] = [];
    const session = await started(new Set(), ran);
    await session.visit("#trace=unheard-of");
    expect(session.remark()?.sentence).toContain("no longer has this result");
    expect(session.state().trace?.trace).toBe("first");
    expect(ran).toEqual(["first"]);
  });

  it("are not overtaken by the answer to an older request", async () => {
    const session = await started(new Set(["slow", "fast"]), []);
    const slow = session.visit("#trace=slow");
    const fast = session.visit("#trace=fast");
    await Promise.all([slow, fast]);
    expect(session.state().trace?.trace).toBe("fast");
  });

  it("name an unknown model once and offer the models that there are", async () => {
    const ran: string[] = [];
    const session = await started(new Set(), ran);
    await session.visit("#model=gpt5&text=second");
    expect(ran).toEqual(["first"]);
    expect(session.remark()?.sentence).toContain("“gpt5”");
    expect(session.remark()?.offers.map(({ title }) => title)).toEqual(["M", "N"]);
    session.remark()?.offers[1].run();
    await new Promise((done) => setTimeout(done, 20));
    expect(ran).toEqual(["first", "second"]);
    expect(session.remark()).toBeNull();
  });
});

describe("a failure", () => {
  const about = async (error: Error) => {
    const session = createSession(sourceOf(() => error));
    await session.run({ text: "a", pair: null, model: null });
    return session.failure();
  };

  it("keeps the code that the host refused with", async () => {
    const failure = await about(new HostError("too_large", "At most 9 tokens.", 9));
    expect(failure).toEqual({
      sentence: "At most 9 tokens.",
      disconnected: false,
      code: "too_large",
      fits: 9,
    });
  });

  it("tells a lost connection from a refusal", async () => {
    expect(await about(new DisconnectedError("gone"))).toMatchObject({ disconnected: true, code: null });
  });

  it("offers to retry a layer whose loading was canceled", () => {
    const session = shown(3);
    session.dispatch({ type: "layer", layer: 1 });
    expect(session.work()?.what).toBe("layer");
    session.cancel();
    expect(session.work()).toBe(null);
    expect(session.failure()).toMatchObject({
      code: "cancelled",
      sentence: "Layer 1 was not loaded.",
    });
    session.retry();
    expect(session.failure()).toBe(null);
    expect(session.work()?.what).toBe("layer");
  });
});
