import { describe, expect, it } from "vitest";
import { DisconnectedError, HostError, type Source } from "../src/source/source";
import { keepNewest } from "../src/state/keepNewest";
import { type Progress, RequestSlot, runRequest } from "../src/state/request";
import { createValues } from "../src/state/values";
import { createWork } from "../src/state/work";
import type { Message } from "../src/wire/messages";

const REQUEST = { type: "check", trace: "t" } as const;

function answer(last: boolean, more = 0): Message {
  const fields = { v: 1, id: "1", type: "check", last, trace: "t", more, tensors: new Map() };
  return fields as unknown as Message;
}

function progress(stage: string, text: string, done = 0, total = 0): Message {
  return {
    ...{ v: 1, id: "1", type: "progress", last: false, stage, text, done, total },
    tensors: new Map(),
  };
}

/** Gives one message or error after another; `"wait"` waits until the request is aborted. */
function sourceOf(...steps: readonly (Message | Error | "wait")[]): Source {
  return {
    async *request(_, { signal }) {
      for (const step of steps) {
        if (step instanceof Error) throw step;
        if (step === "wait")
          await new Promise((_done, stop) =>
            signal.addEventListener("abort", () => stop(new Error("aborted"))),
          );
        else yield step;
      }
    },
  };
}

describe("a request", () => {
  it("gives its answers one by one, and the last of them at its end", async () => {
    const [one, two] = [answer(false, 1), answer(true, 2)];
    const seen: Message[] = [];
    const ending = await runRequest(sourceOf(one, two), REQUEST, "check", {
      onAnswer: (each) => seen.push(each),
    });
    expect(seen).toEqual([one, two]);
    expect(ending).toEqual({ kind: "answered", message: two });
  });

  it("stops at its first answer where no more is wanted", async () => {
    const one = answer(false, 1);
    const ending = await runRequest(sourceOf(one, new Error("read on")), REQUEST, "check", { first: true });
    expect(ending).toEqual({ kind: "answered", message: one });
  });

  it("ends without a message where none of its type came", async () => {
    const ending = await runRequest(sourceOf(progress("read", "reading")), REQUEST, "check");
    expect(ending).toEqual({ kind: "answered", message: null });
  });

  it("tells how far it is, and why nobody works on it yet", async () => {
    const steps: Progress[] = [];
    const source = sourceOf(
      progress("wait", "Kernel busy"),
      progress("wait", ""),
      progress("read", "reading", 1, 2),
      answer(true),
    );
    await runRequest(source, REQUEST, "check", { onProgress: (step) => steps.push(step) });
    expect(steps).toEqual([
      { text: null, done: 0, total: 0, waiting: "Kernel busy" },
      { text: null, done: 0, total: 0, waiting: null },
      { text: "reading", done: 1, total: 2, waiting: null },
    ]);
  });

  it("is cancelled by the page when its signal is aborted", async () => {
    const control = new AbortController();
    const ending = runRequest(sourceOf("wait"), REQUEST, "check", { signal: control.signal });
    control.abort();
    expect(await ending).toMatchObject({ kind: "cancelled", by: "page" });
  });

  it("is cancelled by the host when it says so", async () => {
    const error = new HostError("cancelled", "Stopped.");
    expect(await runRequest(sourceOf(error), REQUEST, "check")).toEqual({
      kind: "cancelled",
      by: "host",
      error,
    });
  });

  it.each([
    new HostError("busy", "Busy."),
    new DisconnectedError("gone"),
  ])("fails with what was thrown in the middle: %s", async (error) => {
    const ending = await runRequest(sourceOf(answer(false), error), REQUEST, "check");
    expect(ending).toEqual({ kind: "failed", error });
  });
});

describe("a slot for requests", () => {
  it("aborts the one before", async () => {
    const slot = new RequestSlot();
    const first = slot.next();
    const ending = runRequest(sourceOf("wait"), REQUEST, "check", { signal: first });
    const second = slot.next();
    expect(await ending).toMatchObject({ kind: "cancelled", by: "page" });
    expect([slot.isNewest(first), slot.isNewest(second), second.aborted]).toEqual([false, true, false]);
  });
});

describe("work that a person waits for", () => {
  it("is shown with its progress, and gone when it ends", async () => {
    const work = createWork(sourceOf(progress("wait", "Kernel busy"), "wait"));
    const done = work.ask("check", REQUEST, "check", "checking");
    expect(work.work()).toEqual({ what: "check", text: "checking", done: 0, total: 0, waiting: null });
    await new Promise((done) => setTimeout(done));
    expect(work.work()).toMatchObject({ text: "checking", waiting: "Kernel busy" });
    work.abort("check");
    expect(await done).toBe(null);
    expect([work.work(), work.failure()]).toEqual([null, null]);
  });

  it("stays on show where another one of its kind took its place", async () => {
    const work = createWork(sourceOf("wait"));
    const first = work.ask("check", REQUEST, "check", "first");
    void work.ask("check", REQUEST, "check", "second");
    expect(await first).toBe(null);
    expect(work.work()).toMatchObject({ text: "second" });
    expect(work.failure()).toBe(null);
  });

  it("says when the host stopped before its last message", async () => {
    const work = createWork(sourceOf(progress("read", "reading")));
    await work.ask("check", REQUEST, "check", "checking");
    expect(work.failure()).toMatchObject({
      disconnected: true,
      sentence: "attnscope stopped responding before the result was complete.",
    });
  });

  it("is silent where the host cancelled it", async () => {
    const work = createWork(sourceOf(new HostError("cancelled", "Stopped.")));
    expect(await work.ask("check", REQUEST, "check", "checking")).toBe(null);
    expect(work.failure()).toBe(null);
  });

  it("takes back an earlier failure once it has an answer, and can be tried again", async () => {
    let tries = 0;
    const work = createWork(sourceOf(answer(true)));
    work.fail(new Error("earlier"));
    work.onRetry(() => {
      tries += 1;
    });
    work.retry();
    expect([tries, work.failure()]).toEqual([1, null]);
    work.fail(new Error("later"));
    await work.ask("check", REQUEST, "check", "checking");
    expect(work.failure()).toBe(null);
  });
});

describe("values that a host refuses", () => {
  it("are told as such beside the view, and are no failure of the page", async () => {
    const failures: unknown[] = [];
    const values = createValues(sourceOf(new HostError("unsupported", "No values.")), (error) => {
      failures.push(error);
    });
    await values.show("t", "decoder", 0);
    expect(values.values()).toEqual({ key: "t decoder 0", message: null, refused: "No values." });
    expect(failures).toEqual([]);
  });

  it("are a failure where the host is gone", async () => {
    const failures: unknown[] = [];
    const error = new DisconnectedError("gone");
    const values = createValues(sourceOf(error), (each) => failures.push(each));
    await values.show("t", "decoder", 0);
    expect([values.values(), failures]).toEqual([null, [error]]);
  });
});

describe("what is kept", () => {
  it("drops the oldest first", () => {
    const kept = new Map<string, number>();
    ["a", "b", "c", "d"].forEach((name, at) => {
      keepNewest(kept, name, at, 2);
    });
    expect([...kept.keys()]).toEqual(["c", "d"]);
  });
});
