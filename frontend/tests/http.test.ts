import { afterEach, describe, expect, it, vi } from "vitest";
import { HttpSource } from "../src/source/http";
import { DisconnectedError, HostError } from "../src/source/source";

const source = new HttpSource(new URL("http://127.0.0.1:1/api"));

async function failure(answer: Response | Error): Promise<unknown> {
  vi.stubGlobal("fetch", async () => {
    if (answer instanceof Error) throw answer;
    return answer;
  });
  try {
    for await (const _ of source.request({ type: "hello" }, { signal: new AbortController().signal }));
  } catch (error) {
    return error;
  }
  throw new Error("nothing failed");
}

afterEach(() => vi.unstubAllGlobals());

describe("a refusing server", () => {
  it("is heard with its code and its sentence", async () => {
    const body = JSON.stringify({ type: "error", code: "too_large", message: "At most 4,096 tokens." });
    const error = await failure(
      new Response(body, { status: 413, headers: { "Content-Type": "application/json" } }),
    );
    expect(error).toBeInstanceOf(HostError);
    expect(error).toMatchObject({ code: "too_large", message: "At most 4,096 tokens." });
  });

  it("is understood by its status where something between answers in its place", async () => {
    expect(await failure(new Response("try later", { status: 503 }))).toMatchObject({
      code: "busy",
      message: "try later",
    });
    const broken = new Response("{", { status: 502, headers: { "Content-Type": "application/json" } });
    expect(await failure(broken)).toMatchObject({ code: "unsupported", message: "{" });
    expect(await failure(new Response("", { status: 500 }))).toMatchObject({
      message: "attnscope answered with status 500.",
    });
  });

  it("is disconnected where it does not answer at all", async () => {
    expect(await failure(new TypeError("Failed to fetch"))).toBeInstanceOf(DisconnectedError);
  });
});
