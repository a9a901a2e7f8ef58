import { describe, expect, it } from "vitest";
import { layerField } from "../src/compute/layerField";
import { EmbeddedSource } from "../src/source/embedded";
import { HostError } from "../src/source/source";
import type { LayerMessage } from "../src/wire/messages";
import { unpacked } from "../src/wire/packed";
import { readMessage } from "../src/wire/readMessage";
import { DamagedError, decode } from "../src/wire/safetensors";
import { goldenBytes, NAMES } from "./golden";
import { bytesOf, gzipped, type Json, message, raw } from "./messageBytes";

const TOKEN = { text: " a", id: 1, special: false, sentence: null, continues: false, raw: false };
const STACK = {
  layers: 1,
  heads: 2,
  kv_heads: 1,
  head_dim: 4,
  causal: true,
  query: "text",
  key: "text",
  shapes: [{ heads: 2, kv_heads: 1, qk_dim: 4, v_dim: 4 }],
  rotary: { pairs: [[0, 1]], wavelengths: [6.28] },
};
const TRACE: Json = {
  type: "trace",
  trace: "x",
  model: { name: null, title: "m", kind: "decoder", dtype: null, quantization: null, parameters: 5 },
  input: { text: "a a", pair: null, target: null },
  tokens: { text: [TOKEN, TOKEN] },
  stacks: { decoder: STACK },
  images: [],
  edits: [],
  warnings: [],
  certificate: { ok: true, max_error: null, tolerance: 1e-4, scope: "sampled", sentence: "", stacks: {} },
  next: null,
  predictions: [],
};

/** Sets one field, given by its path. */
function set(value: unknown, path: readonly (string | number)[], to: unknown): unknown {
  if (path.length === 0) return to;
  const [name, ...rest] = path;
  const copy = (Array.isArray(value) ? [...value] : { ...(value as Json) }) as Record<
    string | number,
    unknown
  >;
  copy[name] = set(copy[name], rest, to);
  return copy;
}

describe("a trace", () => {
  it("is read if all of it fits", () => {
    expect(readMessage(message(TRACE))).toMatchObject({ type: "trace", trace: "x" });
  });

  it.each([
    ["tokens that are a number", ["tokens"], 5, "`tokens` must be an object; got 5"],
    [
      "a token text that is a number",
      ["tokens", "text", 1, "text"],
      5,
      "`tokens.text[1].text` must be text; got 5",
    ],
    [
      "a token of a missing image",
      ["tokens", "text", 1, "image"],
      7,
      "belongs to image 7, but the trace has 0",
    ],
    ["a stack without tokens", ["stacks", "decoder", "query"], "audio", "The stack decoder has no tokens"],
    ["a side named like a method", ["stacks", "decoder", "query"], "constructor", "has no tokens"],
    ["10⁹ layers", ["stacks", "decoder", "layers"], 1e9, "must have 1000000000 shapes; got 1"],
    ["-1 heads", ["stacks", "decoder", "shapes", 0, "heads"], -1, "must be an integer from 1"],
    [
      "3 heads in 2 groups",
      ["stacks", "decoder", "shapes", 0],
      { heads: 3, kv_heads: 2, qk_dim: 4, v_dim: 4 },
      "divided",
    ],
    ["rotary pairs of text", ["stacks", "decoder", "rotary", "pairs"], [["a", "b"]], "must be an integer"],
    ["no stacks", ["stacks"], {}, "The trace has no stacks"],
    ["an image without bytes", ["images"], [{ width: 5, height: 5 }], "Image 0 of the trace is missing"],
    ["an edit without a type", ["edits"], [{ layer: 1 }], "`edits[0].type` must be text; got nothing"],
    ["a certificate that is true", ["certificate"], true, "`certificate` must be an object; got true"],
    ["warnings of numbers", ["warnings"], [5], "`warnings[0]` must be text; got 5"],
    ["a next token of text", ["next"], ["x"], "`next[0]` must be an object; got text"],
    [
      "a prediction about token 9",
      ["predictions"],
      [{ of: "token", position: 9, exclusive: true, choices: [] }],
      "about token 9, but there are 2",
    ],
    ["a type named like a method", ["type"], "constructor", "Unknown message type: constructor"],
    ["a type of 5,000 characters", ["type"], "x".repeat(5000), "Unknown message type: x"],
  ] as const)("with %s is damaged", (_name, path, to, expected) => {
    const bytes = message(set(TRACE, path, to) as Json);
    expect(() => readMessage(bytes)).toThrow(DamagedError);
    expect(() => readMessage(bytes)).toThrow(expected);
  });
});

describe("a layer", () => {
  const whole = raw(goldenBytes("causal-gqa-half"));

  function int32(name: string, at: number, value: number): Uint8Array {
    const body = whole.body.slice();
    const [begin] = (whole.header[name] as { data_offsets: [number, number] }).data_offsets;
    new DataView(body.buffer).setInt32(begin + 4 * at, value, true);
    return bytesOf({ ...whole, body });
  }

  it.each([2_000_000_000, -1])("with a mask bound of %i is damaged", (value) => {
    expect(() => readMessage(int32("mask_hi", 2, value))).toThrow(/`mask_hi` contains .* out of range/);
  });

  it.each([
    ["heads", 1e12, "`heads` must be an integer from 1 to"],
    ["kv_heads", 0, "`kv_heads` must be an integer from 1"],
    ["form", "kv", "`form` must be one of qk, weights"],
    ["mask", null, "`mask` must be an object; got null"],
    ["error", "0", "`error` must be a number; got text"],
    ["bias", { kind: "none" }, "`bias.kind` must be one of relative, key, dense"],
  ])("whose %s is %s is damaged", (name, value, expected) => {
    expect(() => readMessage(bytesOf({ ...whole, fields: { ...whole.fields, [name]: value } }))).toThrow(
      expected,
    );
  });

  it("of weights with the wrong shape is damaged", () => {
    const layer = readMessage(
      bytesOf({ ...whole, fields: { ...whole.fields, form: "weights" } }),
    ) as LayerMessage;
    expect(() => layerField(layer)).toThrow(DamagedError);
  });
});

describe("a packed layer", () => {
  function packed(fields: Json, shape: readonly number[]): LayerMessage {
    const size = shape.reduce((product, one) => product * one, 1);
    const place = { type: "layer", trace: "x", stack: "decoder", layer: 0, form: "weights", error: 0 };
    const bytes = bytesOf({
      header: { attention_planes: { dtype: "U8", shape, data_offsets: [0, size] } },
      fields: { v: 1, id: "a", ...place, mask: { kind: "causal" }, packed: ["attention"], ...fields },
      body: new Uint8Array(size),
    });
    return readMessage(bytes) as LayerMessage;
  }

  it("is unpacked if its weights are as many as it says", () => {
    expect(
      unpacked(packed({ heads: 1, queries: 2, keys: 3, triangle: true }, [1, 5])).tensors.get("attention")
        ?.shape,
    ).toEqual([1, 2, 3]); // rows of 2 and 3 keys
  });

  it.each([
    ["10¹⁸ weights", { heads: 1, queries: 1e9, keys: 1e9 }, [1, 10]],
    ["10⁹ queries of no key", { heads: 1, queries: 1e9, keys: 0, triangle: true }, [1, 0]],
    ["more queries than keys", { heads: 1, queries: 3, keys: 2, triangle: true }, [1, 3]],
    ["no planes", { heads: 1, queries: 2, keys: 2 }, [0, 4]],
    ["nine planes", { heads: 1, queries: 2, keys: 2 }, [9, 4]],
    ["one size too few", { heads: 1, queries: 2, keys: 2 }, [4]],
  ])("that claims %s is damaged, before anything is allocated", (_name, fields, shape) => {
    expect(() => unpacked(packed(fields, shape))).toThrow(DamagedError);
  });

  it("whose q is for other heads is damaged", () => {
    const bytes = bytesOf({
      header: { q_planes: { dtype: "U8", shape: [1, 2, 4, 3], data_offsets: [0, 24] } },
      fields: {
        ...raw(goldenBytes("causal-gqa-half")).fields,
        queries: 3,
        heads: 4,
        kv_heads: 2,
        packed: ["q"],
      },
      body: new Uint8Array(24),
    });
    expect(() => unpacked(readMessage(bytes) as LayerMessage)).toThrow("The layer's q has the wrong shape");
  });
});

describe("an exported file", () => {
  async function ask(
    block: string | null,
    request = { type: "layer", stack: "decoder", layer: 3 },
  ): Promise<unknown> {
    const source = new EmbeddedSource(
      () => block,
      () => ({ add: () => undefined, tensors: () => new Map() }),
    );
    try {
      for await (const _ of source.request(request as never, { signal: new AbortController().signal }));
    } catch (error) {
      return error;
    }
    return null;
  }

  it("with a block that is not base64, not gzip or cut short is damaged", async () => {
    const whole = await gzipped(goldenBytes("dense-sinks"));
    for (const block of ["%%%", "AAAA", "", whole.subarray(0, 200).toString("base64")])
      expect(await ask(block), block.slice(0, 9)).toBeInstanceOf(DamagedError);
    expect(await ask(null)).toBeInstanceOf(HostError);
  });

  it("with another layer in the place of the wanted one is damaged", async () => {
    const block = (await gzipped(goldenBytes("dense-sinks"))).toString("base64");
    expect(String(await ask(block))).toContain("another layer in the place of layer 3");
  });
});

/** A small generator of random numbers (mulberry32), so that a failure can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) % below;
  };
}

describe("any message", () => {
  const VALUES = [null, true, -1, 0, 1e9, 1e300, 0.5, "", "x", "constructor", [], {}, [[]], [null], { a: 1 }];

  function places(value: unknown, path: (string | number)[] = []): (string | number)[][] {
    const below = Array.isArray(value)
      ? [...value.keys()]
      : typeof value === "object" && value !== null
        ? Object.keys(value)
        : [];
    return [path, ...below.flatMap((name) => places((value as never)[name], [...path, name]))];
  }

  it("that was changed at random is read or damaged, and nothing else", () => {
    const draw = random(1);
    const messages = [...NAMES.map((name) => raw(goldenBytes(name))), raw(message(TRACE))];
    let damaged = 0;
    for (let n = 0; n < 4000; n++) {
      const one = messages[draw(messages.length)];
      const inFields = draw(4) > 0;
      const tree = inFields ? one.fields : one.header;
      const all = places(tree).filter((path) => path.length > 0);
      const changed = set(tree, all[draw(all.length)], VALUES[draw(VALUES.length)]) as Json;
      const bytes = bytesOf(inFields ? { ...one, fields: changed } : { ...one, header: changed });
      if (draw(10) === 0) bytes[draw(bytes.length)] = draw(256);
      try {
        const read = readMessage(bytes);
        if (read.type === "layer") layerField(unpacked(read)).row(0, 0);
      } catch (error) {
        expect(error, String(error)).toBeInstanceOf(DamagedError);
        expect((error as Error).message.length).toBeLessThan(300);
        damaged++;
      }
      if (n % 500 === 0) expect(() => decode(bytes.subarray(0, draw(bytes.length)))).toThrow(DamagedError);
    }
    expect(damaged).toBeGreaterThan(1000);
  });
});
