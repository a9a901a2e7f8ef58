import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { DisconnectedError, HostError } from "../src/source/source";
import { type WidgetModel, WidgetSource } from "../src/source/widget";
import { goldenBytes } from "./golden";

interface Sent {
  readonly id: string;
  readonly type: string;
  readonly target?: string;
}

/** A kernel at the other end of a widget's custom messages. */
class FakeModel implements WidgetModel {
  readonly sent: Sent[] = [];
  readonly buffers: { readonly names: unknown; readonly buffers: unknown }[] = [];
  #hear: ((content: unknown, buffers: unknown) => void) | undefined;
  get = () => undefined;
  set = () => undefined;
  save_changes = () => undefined;
  send = (content: unknown, _callbacks?: unknown, buffers?: unknown) => {
    const { request, tensors } = content as { request: Sent; tensors?: unknown };
    this.sent.push(request);
    if (buffers !== undefined) this.buffers.push({ names: tensors, buffers });
  };
  on = (_: string, hear: (...details: readonly unknown[]) => void) => {
    this.#hear = hear;
  };
  off = () => {
    this.#hear = undefined;
  };

  receive(): void {
    this.#hear?.({ received: this.sent[0].id }, []);
  }

  /** Answers with bytes that lie in the middle of a larger buffer, as Jupyter hands them over. */
  answer(bytes: Uint8Array): void {
    const larger = new Uint8Array(bytes.length + 11);
    larger.set(bytes, 3);
    this.#hear?.({ answer: this.sent[0].id }, [new DataView(larger.buffer, 3, bytes.length)]);
  }
}

const errorBytes = (code: string): Uint8Array => {
  const message = JSON.stringify({ v: 1, id: "x", type: "error", last: true, code, message: "No." });
  const header = new TextEncoder().encode(JSON.stringify({ __metadata__: { message } }));
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  return bytes;
};

describe("a source over a widget's messages", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("sends the bytes of a file as a buffer, named beside the request", async () => {
    const model = new FakeModel();
    const file = new Uint8Array([1, 2, 3]);
    const answers = new WidgetSource(model, () => false).request(
      { type: "open", file, name: "fox.workspace" },
      { signal: new AbortController().signal },
    );
    void answers.next();
    await Promise.resolve();
    expect(model.sent[0]).toMatchObject({ type: "open", name: "fox.workspace" });
    expect(model.sent[0]).not.toHaveProperty("file");
    expect(model.buffers).toEqual([{ names: ["file"], buffers: [file] }]);
  });

  it("reads an answer that does not start at the beginning of its buffer", async () => {
    const model = new FakeModel();
    const source = new WidgetSource(model, () => false);
    const answers = source.request({ type: "layer" }, { signal: new AbortController().signal });
    const first = answers.next();
    model.receive();
    model.answer(goldenBytes("causal-gqa-half"));
    expect((await first).value).toMatchObject({ type: "layer" });
  });

  it("says that the kernel is busy until the request has arrived", async () => {
    const model = new FakeModel();
    const source = new WidgetSource(model, () => false);
    const answers = source.request({ type: "layer" }, { signal: new AbortController().signal });
    const busy = answers.next();
    await vi.advanceTimersByTimeAsync(1100);
    expect((await busy).value).toMatchObject({ stage: "wait", text: expect.stringContaining("Kernel busy") });
    const free = answers.next();
    model.receive();
    expect((await free).value).toMatchObject({ stage: "wait", text: "" });
  });

  it("tells the kernel to stop what was cancelled, and raises what it refuses", async () => {
    const model = new FakeModel();
    const source = new WidgetSource(model, () => false);
    const control = new AbortController();
    const pending = source.request({ type: "run" }, { signal: control.signal }).next();
    control.abort();
    await expect(pending).rejects.toThrow();
    expect(model.sent[1]).toMatchObject({ type: "cancel", target: model.sent[0].id });

    const other = new FakeModel();
    const refused = new WidgetSource(other, () => false)
      .request({ type: "run" }, { signal: new AbortController().signal })
      .next();
    other.answer(errorBytes("unsupported"));
    await expect(refused).rejects.toThrow(HostError);
    expect(other.sent).toHaveLength(1);
  });

  it("is disconnected once the kernel is known to be gone", async () => {
    let gone = false;
    const source = new WidgetSource(new FakeModel(), () => gone);
    const pending = source.request({ type: "layer" }, { signal: new AbortController().signal }).next();
    const failed = expect(pending).rejects.toThrow(DisconnectedError);
    gone = true;
    await vi.advanceTimersByTimeAsync(1100);
    await failed;
  });
});
