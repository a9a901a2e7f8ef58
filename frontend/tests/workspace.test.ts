import { afterEach, describe, expect, it, vi } from "vitest";
import { HttpSource } from "../src/source/http";
import { readMessage } from "../src/wire/readMessage";
import { DamagedError, decode } from "../src/wire/safetensors";

type Json = Record<string, unknown>;

/** The bytes of a message with at most one tensor, made without the code under test. */
function bytesOf(fields: Json, file?: Uint8Array): Uint8Array {
  const message = JSON.stringify({ v: 1, id: "a", last: true, ...fields });
  const length = file?.length ?? 0;
  const tensors =
    file === undefined ? {} : { file: { dtype: "U8", shape: [length], data_offsets: [0, length] } };
  const head = new TextEncoder().encode(JSON.stringify({ __metadata__: { message }, ...tensors }));
  const out = new Uint8Array(8 + head.length + length);
  new DataView(out.buffer).setBigUint64(0, BigInt(head.length), true);
  out.set(head, 8);
  if (file !== undefined) out.set(file, 8 + head.length);
  return out;
}

const OPENED: Json = {
  type: "open",
  kind: "workspace",
  traces: ["x", "y"],
  current: "y",
  baseline: "x",
  edits: [{ type: "ScaleHead", layer: 1, head: 2, factor: 0 }],
  trail: [{ title: "Start", address: "layer=1" }],
  notes: "",
  state: { open: [1, null] },
};

describe("an opened workspace", () => {
  it("is read if all of it fits", () => {
    expect(readMessage(bytesOf(OPENED))).toMatchObject(OPENED);
    expect(readMessage(bytesOf({ ...OPENED, baseline: null }))).toMatchObject({ baseline: null });
  });

  it.each([
    ["a kind of another name", { kind: "folder" }, "`kind` must be one of trace, workspace"],
    ["traces that are text", { traces: "x" }, "`traces` must be a list; got text"],
    ["a current trace that it lacks", { current: "z" }, "The trace z is not one of the workspace's traces"],
    ["a baseline that it lacks", { baseline: "z" }, "The trace z is not one of the workspace's traces"],
    ["an edit without a type", { edits: [{}] }, "`edits[0].type` must be text"],
    ["a place without an address", { trail: [{ title: "a" }] }, "`trail[0].address` must be text"],
    ["notes that are null", { notes: null }, "`notes` must be text; got null"],
    ["a state that is a list", { state: [] }, "`state` must be an object; got a list"],
  ] as const)("with %s is damaged", (_name, change, expected) => {
    const bytes = bytesOf({ ...OPENED, ...change });
    expect(() => readMessage(bytes)).toThrow(DamagedError);
    expect(() => readMessage(bytes)).toThrow(expected);
  });

  it("may be part of the first answer", () => {
    const { type: _, ...workspace } = OPENED;
    const hello = { type: "hello", models: [], model: null, examples: [], can: [], limits: {}, workspace };
    expect(readMessage(bytesOf(hello))).toMatchObject({ workspace });
    const wrong = { ...hello, workspace: { ...workspace, current: "z" } };
    expect(() => readMessage(bytesOf(wrong))).toThrow("The trace z is not one");
  });
});

describe("a saved workspace", () => {
  it("has the bytes of its file", () => {
    const message = readMessage(bytesOf({ type: "save", name: "a.workspace" }, new Uint8Array([1, 2])));
    expect(message.tensors.get("file")?.data).toEqual(new Uint8Array([1, 2]));
    expect(() => readMessage(bytesOf({ type: "save", name: "a.workspace" }))).toThrow("are missing");
  });
});

describe("a request to open a file", () => {
  afterEach(() => vi.unstubAllGlobals());

  it("sends the bytes of the file as a tensor, and not in the JSON", async () => {
    let sent: RequestInit | undefined;
    vi.stubGlobal("fetch", async (_url: URL, options: RequestInit) => {
      sent = options;
      return new Response("", { status: 500 });
    });
    const source = new HttpSource(new URL("http://127.0.0.1:1/api"));
    const request = { type: "open", file: new Uint8Array([7, 8, 9]), name: "a.trace" } as const;
    const answers = source.request(request, { signal: new AbortController().signal });
    await expect(answers.next()).rejects.toThrow();
    const { fields, tensors } = decode(sent?.body as Uint8Array);
    expect(fields).toMatchObject({ type: "open", name: "a.trace" });
    expect(fields).not.toHaveProperty("file");
    expect(tensors.get("file")).toEqual({ shape: [3], data: new Uint8Array([7, 8, 9]) });
    expect(new Headers(sent?.headers).get("Content-Type")).toBe("application/x-safetensors");
  });
});
