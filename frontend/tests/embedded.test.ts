import { describe, expect, it } from "vitest";
import { EmbeddedSource } from "../src/source/embedded";
import { HostError } from "../src/source/source";
import type { Message, Request } from "../src/wire/messages";
import { DamagedError } from "../src/wire/safetensors";
import { gzipped, type Json, message, messageWith } from "./messageBytes";

const TOKEN = { text: " a", id: 1, special: false, sentence: null, continues: false, raw: false };
const SHAPE = { heads: 1, kv_heads: 1, qk_dim: 4, v_dim: 4 };
const STACK = { layers: 3, heads: 1, kv_heads: 1, head_dim: 4, causal: true, query: "text", key: "text" };

const traced = (trace: string, edits: readonly Json[]): Uint8Array =>
  message({
    ...{ type: "trace", trace, edits, warnings: [], certificate: null, next: null },
    model: { name: null, title: "m", kind: "decoder", dtype: null, quantization: null, parameters: 5 },
    input: { text: "a a", pair: null, target: null },
    tokens: { text: [TOKEN, TOKEN] },
    stacks: { decoder: { ...STACK, shapes: [SHAPE, SHAPE, SHAPE] } },
  });

/** A layer of two tokens, whose weights tell layers apart. */
const layer = (trace: string, at: number, weights: readonly number[]): Uint8Array =>
  messageWith(
    {
      ...{ type: "layer", trace, stack: "decoder", layer: at, form: "weights", heads: 1, kv_heads: 1 },
      ...{ queries: 2, keys: 2, qk_dim: 0, mask: { kind: "causal" }, error: 0, sinks: false },
    },
    { attention: weights },
  );

const overview = (trace: string, at: number, tensors: Record<string, readonly number[]>, more: Json = {}) =>
  messageWith(
    {
      ...{ type: "overview", trace, stack: "decoder", layer: at, heads: 1, rows: 2, columns: 2 },
      ...{ pooled: [1, 1], last: at === 2, ...more },
    },
    tensors,
  );

const values = (trace: string, at: number): Uint8Array =>
  message({
    ...{ type: "values", trace, stack: "decoder", layer: at, heads: 1, kv_heads: 1, queries: 2, keys: 2 },
    ...{ v_dim: 4, error: 0, note: null },
  });

const OFF = { type: "ScaleHead", layer: 1, head: 0, factor: 0 };
const HELLO = {
  ...{ type: "hello", version: "1", models: [], model: null, trace: "now", examples: [], limits: {} },
  can: ["trace", "overview", "layer", "edge", "values", "align", "effect"],
  file: {
    error: 1e-4,
    baseline: {
      trace: "then",
      shared: { "layer decoder": [0, 1], "overview decoder": [0, 1], "values decoder": [0] },
    },
  },
};
const likely = { probability: 0.5, rank: 1, value: 2 };
const EFFECT = {
  ...{ type: "effect", trace: "now", baseline: "then", of: "token", position: 1, baseline_position: 1 },
  tokens: [{ text: " b", id: 2, before: likely, after: { ...likely, probability: 0.25 } }],
  ...{ others: null, moved: 0.25, kinds: [], no_control: "There is no model here." },
  metric: {
    ...{ name: "probability", formula: "p(answer)", answer: { text: " b", id: 2 }, foil: null },
    ...{ before: 0.5, after: 0.25, error: 0 },
  },
};

/** The blocks of a file whose second layer's head was turned off: the last layer differs. */
const FILE: Readonly<Record<string, readonly Uint8Array[]>> = {
  hello: [message(HELLO)],
  trace: [traced("now", [OFF])],
  "baseline trace": [traced("then", [])],
  "overview decoder": [0, 1, 2].map((at) => overview("now", at, { thumbnails: [at, 0, at, at] })),
  "baseline overview decoder": [overview("then", 2, { thumbnails: [9, 9, 9, 9] })],
  "difference decoder": [
    ...[0, 1].map((at) => overview("now", at, {}, { baseline: "then", unchanged: true, largest: 0 })),
    overview("now", 2, { difference: [7, 0, 7, 7] }, { baseline: "then", unchanged: false, largest: 0.5 }),
  ],
  "layer decoder 0": [layer("now", 0, [10, 0, 10, 10])],
  "layer decoder 1": [layer("now", 1, [11, 0, 11, 11])],
  "layer decoder 2": [layer("now", 2, [12, 0, 12, 12])],
  "baseline layer decoder 2": [layer("then", 2, [92, 0, 92, 92])],
  "values decoder 0": [values("now", 0)],
  align: [
    message({
      ...{ type: "align", trace: "now", baseline: "then", identical: true, sides: { text: [0, 1] } },
      ...{ substituted: [], notes: [], stacks: { decoder: { layers: 3, note: null, heads: [1, 1, 1] } } },
    }),
  ],
  effect: [message(EFFECT)],
};

async function sourceOf(changed: Readonly<Record<string, readonly Uint8Array[] | null>> = {}) {
  const blocks = new Map<string, string>();
  for (const [name, messages] of Object.entries({ ...FILE, ...changed }))
    if (messages !== null) blocks.set(name, (await gzipped(...messages)).toString("base64"));
  const collect = () => {
    const found: number[] = [];
    const tensors = () => new Map([["weight", { shape: [found.length], data: Float32Array.from(found) }]]);
    return { add: (one: Message) => found.push(Number(one.tensors.get("attention")?.data[3])), tensors };
  };
  return new EmbeddedSource((name) => blocks.get(name) ?? null, collect);
}

async function answers(source: EmbeddedSource, request: Request): Promise<readonly Message[]> {
  const found: Message[] = [];
  for await (const one of source.request(request, { signal: new AbortController().signal })) found.push(one);
  return found;
}

const about = (type: Request["type"], trace: string, more: Json = {}): Request => ({
  ...{ type, trace, stack: "decoder", ...more },
});
const bytes = (one: Message, tensor: string): readonly number[] =>
  Array.from(one.tensors.get(tensor)?.data as Uint8Array);

describe("a file with two passes", () => {
  it("has the layers of both, and those that both share once", async () => {
    const source = await sourceOf();
    const found: (readonly [string, readonly number[]])[] = [];
    for (const trace of ["now", "then"])
      for (const at of [0, 1, 2]) {
        const [one] = await answers(source, about("layer", trace, { layer: at }));
        expect(one).toMatchObject({ type: "layer", trace, layer: at });
        found.push([trace, bytes(one, "attention")]);
      }
    expect(found.map(([trace, weights]) => `${trace} ${weights[0]}`)).toEqual(
      ["now 10", "now 11", "now 12", "then 10", "then 11", "then 92"], // from the blocks
    );
  });

  it("has both traces, and the edge in all heads of each", async () => {
    const source = await sourceOf();
    for (const [trace, edits, last] of [
      ["now", [OFF], 12],
      ["then", [], 92],
    ] as const) {
      expect((await answers(source, { type: "trace", trace }))[0]).toMatchObject({ trace, edits });
      const [edge] = await answers(source, about("edge", trace, { query: 1, key: 1 }));
      expect(edge).toMatchObject({ type: "edge", trace, query: 1, key: 1 });
      expect([...(edge.tensors.get("weight")?.data as Float32Array)]).toEqual([10, 11, last]);
    }
    await expect(answers(source, { type: "trace", trace: "other" })).rejects.toThrow("another file");
  });

  it("has the thumbnails of both, in the order of the layers", async () => {
    const source = await sourceOf();
    const of = async (trace: string) =>
      (await answers(source, about("overview", trace))).map((one) => {
        expect(one).toMatchObject({ type: "overview", trace });
        return [(one as { layer: number }).layer, bytes(one, "thumbnails")[3], one.last];
      });
    expect(await of("now")).toEqual([
      [0, 0, false],
      [1, 1, false],
      [2, 2, true],
    ]);
    expect(await of("then")).toEqual([
      [0, 0, false],
      [1, 1, false],
      [2, 9, true],
    ]);
    const alike = await sourceOf({
      "baseline overview decoder": null,
      hello: [
        message({
          ...HELLO,
          file: { error: 0, baseline: { trace: "then", shared: { "overview decoder": [0, 1, 2] } } },
        }),
      ],
    });
    expect(await answers(alike, about("overview", "then"))).toHaveLength(3);
  });

  it("has the differences beside the thumbnails of the current pass", async () => {
    const found = await answers(await sourceOf(), about("overview", "now", { baseline: "then" }));
    expect(found.map((one) => [one.last, [...one.tensors.keys()]])).toEqual([
      [false, ["thumbnails"]],
      [false, ["thumbnails"]],
      [true, ["thumbnails", "difference"]],
    ]);
    expect(found[1]).toMatchObject({ baseline: "then", unchanged: true, largest: 0 });
    expect(bytes(found[2], "difference")).toEqual([7, 0, 7, 7]);
    expect(bytes(found[2], "thumbnails")).toEqual([2, 0, 2, 2]);
  });

  it("has the values of both, the alignment and the effect", async () => {
    const source = await sourceOf();
    expect((await answers(source, about("values", "then", { layer: 0 })))[0]).toMatchObject({
      trace: "then",
    });
    await expect(answers(source, about("values", "then", { layer: 1 }))).rejects.toThrow("not included");
    const pair = { trace: "now", baseline: "then" };
    expect((await answers(source, { type: "align", ...pair }))[0]).toMatchObject({ sides: { text: [0, 1] } });
    const [effect] = await answers(source, { type: "effect", ...pair, position: null });
    expect(effect).toMatchObject({ moved: 0.25, metric: { before: 0.5, after: 0.25 } });
    expect(await answers(source, { type: "effect", ...pair, answer: " b", position: 1 })).toHaveLength(1);
    await expect(answers(source, { type: "effect", ...pair, answer: " c" })).rejects.toThrow(
      "only the effect",
    );
    await expect(answers(source, { type: "effect", ...pair, position: 0 })).rejects.toThrow(
      "only the effect",
    );
    const without = await sourceOf({
      effect: [
        message({ type: "error", code: "unsupported", message: "It was exported without its model." }),
      ],
    });
    await expect(answers(without, { type: "effect", ...pair })).rejects.toThrow("without its model");
  });

  it("compares only these two, in this order, and runs nothing", async () => {
    const source = await sourceOf();
    for (const pair of [
      { trace: "then", baseline: "now" },
      { trace: "now", baseline: "now" },
      { trace: "now", baseline: "other" },
    ])
      for (const type of ["align", "effect", "overview"] as const)
        await expect(answers(source, { ...about(type, pair.trace), ...pair })).rejects.toThrow(
          "only the two passes",
        );
    const alone = await sourceOf({ hello: [message({ ...HELLO, file: { error: 0 } })] });
    await expect(answers(alone, { type: "align", trace: "now", baseline: "then" })).rejects.toThrow(
      HostError,
    );
    for (const type of ["run", "control", "generate"] as const)
      await expect(answers(source, { type, trace: "now" })).rejects.toThrow("without the model");
  });

  it("that is damaged says so in one sentence", async () => {
    const asked: (readonly [Readonly<Record<string, readonly Uint8Array[] | null>>, Request])[] = [
      [{ "baseline layer decoder 2": FILE["layer decoder 1"] }, about("layer", "then", { layer: 2 })],
      [{ "baseline layer decoder 2": null }, about("layer", "then", { layer: 2 })],
      [{ "layer decoder 1": null }, about("layer", "then", { layer: 1 })],
      [{ "baseline trace": FILE.trace }, { type: "trace", trace: "then" }],
      [{ "baseline overview decoder": [Uint8Array.of(1, 2, 3)] }, about("overview", "then")],
      [{ align: FILE.effect.map(() => Uint8Array.of(7)) }, { type: "align", trace: "now", baseline: "then" }],
    ];
    for (const shared of [5, { "layer decoder": 1 }, { "layer decoder": [-1] }])
      asked.push([
        { hello: [message({ ...HELLO, file: { error: 0, baseline: { trace: "then", shared } } })] },
        about("layer", "then", { layer: 1 }),
      ]);
    for (const [changed, request] of asked) {
      const error = await answers(await sourceOf(changed), request).then(
        () => null,
        (reason: unknown) => reason,
      );
      expect(error instanceof DamagedError || error instanceof HostError, String(error)).toBe(true);
      expect((error as Error).message).toMatch(/^(?!.*\. ).+\.$/);
    }
  });
});
