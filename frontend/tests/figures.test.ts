import { inflateSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { LayerField } from "../src/compute/layerField";
import type { HeadVectors } from "../src/compute/neuron";
import { edgesBetween } from "../src/figures/edges";
import { editWords } from "../src/figures/edits";
import { fileName } from "../src/figures/fileName";
import { headFigure } from "../src/figures/head";
import { MOST_PATHS } from "../src/figures/headLines";
import type { HeadFigure } from "../src/figures/headSubject";
import { png } from "../src/figures/image";
import { type MatrixFigure, matrixFigure } from "../src/figures/matrix";
import { type NeuronFigure, neuronFigure } from "../src/figures/neuron";
import { pythonOf } from "../src/figures/python";
import { pythonString } from "../src/figures/pythonString";
import { element, escapeXml, wrapped } from "../src/figures/svg";
import type { ValueSide } from "../src/figures/values";
import { reduce } from "../src/state/reduce";
import { EMPTY } from "../src/state/state";
import { orderNote } from "../src/views/export/orderNote";
import type { Token, TraceMessage } from "../src/wire/messages";

function token(text: string): Token {
  return { text, id: 1, special: false, sentence: null, continues: false, raw: false };
}

/** Attention that only looks back, evenly. */
function even(tokens: number): LayerField {
  const row = (_: number, query: number) =>
    Float32Array.from({ length: tokens }, (_, key) => (key <= query ? 1 / (query + 1) : 0));
  return {
    ...{ stack: "decoder", layer: 3, heads: 2, queries: tokens, keys: tokens, error: 0, mask: "causal", row },
    column: () => null,
    score: () => null,
    scoreError: () => 0,
    allowed: (_, query, key) => key <= query,
    exact: () => true,
    correct: () => undefined,
    ...{ without: new Set<number>(), removedAttention: () => 0 },
    learn: () => undefined,
    signed: false,
    aligned: () => true,
    fill: (_, query, out) => {
      out.set(row(_, query));
      return null;
    },
    renormalized: () => even(tokens),
  };
}

function wanted(words: readonly string[], more: Partial<HeadFigure> = {}): HeadFigure {
  const tokens = words.map(token);
  return {
    subject: {
      ...{ model: "A <model>", modelName: null, precision: [], text: words.join(""), pair: null, stack: "" },
      ...{ target: null, edits: [] },
      ...{ trace: "0123456789abcdef", baseline: null, version: "0.1.0" },
    },
    ...{ field: even(words.length), queries: tokens, keys: tokens, heads: [0], view: EMPTY.view },
    ...{ sinks: new Set([0]), sinkName: "first token", places: [], dark: false },
    ...{ shaded: null, marked: null },
    ...more,
  };
}

const count = (svg: string, part: string): number => svg.split(part).length - 1;

describe("a figure of a changed pass", () => {
  it("says so in its title and first in its caption", async () => {
    const plain = wanted(["a", "b"]);
    const edits = [
      { type: "ScaleHead", layer: 3, head: 1, factor: 0 },
      { type: "ScaleNeuron", layer: 3, head: 0, dims: [4, 9], factor: 2, vector: "k" },
    ];
    const { svg } = await headFigure({ ...plain, subject: { ...plain.subject, edits, target: "c" } });
    expect(svg).toContain(">Head 3.0, edited<");
    const said = "Model modified by 2 edits: head 3.1 ablated; dimensions 4, 9 of k in head 3.0 scaled by 2.";
    expect(/<desc>([^<]*)/.exec(svg)?.[1]).toMatch(new RegExp(`^${said}`));
    expect(svg).toContain("target “c”");
    expect((await headFigure(plain)).svg).not.toContain("edited");
  });
});

describe("an edit in words", () => {
  const cut = { type: "CutEdge", layer: 9, head: 4, query: 1, key: 0 };
  const sides = { layers: 1, heads: 1, kv_heads: 1, head_dim: 1, causal: true, shapes: [] };
  const tokens = { source: [token("Haus")], target: [token("The"), token(" house")] };
  const decoder = { ...sides, query: "target", key: "target" };
  const cross = { ...sides, query: "target", key: "source" };

  it("names the tokens of its stack, and numbers alone where it may be of several", () => {
    expect(editWords(cut)).toBe("edge from token 1 to token 0 cut in head 9.4");
    expect(editWords(cut, { tokens, stacks: { decoder } })).toBe(
      "edge from “house” (token 1) to “The” (token 0) cut in head 9.4",
    );
    expect(editWords({ ...cut, stack: "cross" }, { tokens, stacks: { decoder, cross } })).toBe(
      "edge from “house” (token 1) to “Haus” (token 0) cut in head 9.4 of the cross-attention",
    );
    expect(editWords(cut, { tokens, stacks: { decoder, cross } })).toContain("from token 1 to token 0");
  });
});

describe("a head figure", () => {
  it("has every token as text on both sides, a path for each weight, and says what it is of", async () => {
    const { svg, name } = await headFigure(wanted(["The", " quick", " fox"]));
    expect(count(svg, 'class="token"')).toBe(6);
    expect(count(svg, 'class="edge"')).toBe(6);
    expect(svg).toContain(">quick</text>");
    expect(svg).toContain("Attention of head 3.0");
    expect(svg).toContain("trace 0123456789ab · attnscope 0.1.0");
    expect(name).toBe("attnscope-a-model-head-3.0-the-quick-fox");
  });

  it("draws hostile tokens as words", async () => {
    const hostile = ["<script>alert(1)</script>", "&amp;", "\u202eevil\u202c", "\u0000\ud800", '"]]>'];
    const { svg } = await headFigure(wanted(hostile));
    expect(svg).not.toContain("<script");
    expect(svg).toContain("&lt;script&gt;");
    expect(svg).toContain("&amp;amp;");
    expect(svg).toContain("⟨U+202E⟩evil");
    expect(svg).toContain("␀\ufffd");
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
    expect(svg).not.toMatch(/[\u0000-\u0008\u202a-\u202e\ud800-\udfff]/);
  });

  it("keeps to the threshold and the heaviest keys, and says how much that drops", async () => {
    const { svg } = await headFigure(
      wanted(["a", "b", "c", "d"], { view: { ...EMPTY.view, threshold: 0.3 } }),
    );
    // Rows of 1, ½, ⅓ and ¼: the last row is below the threshold.
    expect(count(svg, 'class="edge"')).toBe(6);
    expect(svg).toContain("Only weights of at least 0.3 are drawn. 25% of the attention is not drawn.");
  });

  it("brings rows back to a sum of 1 without the sinks where that is wished", () => {
    const rules = {
      ...{ heads: [0], queryShown: () => true, keyShown: (key: number) => key > 0, sinks: new Set([0]) },
      ...{ threshold: 0, top: null, scale: "linear" as const, treatment: "renormalized" as const },
    };
    const { lines, dropped } = edgesBetween(even(3), rules, [0, 3], [0, 3]);
    expect([...lines.weight.slice(0, lines.count)]).toEqual([1, 0.5, 0.5]);
    expect(dropped).toBeCloseTo(0);
  });

  it("puts thousands of lines into an image, but keeps those of a pinned token", async () => {
    const words = Array.from({ length: 120 }, (_, at) => ` w${at}`);
    const { svg } = await headFigure(wanted(words, { places: [{ side: "query", index: 9 }] }));
    expect((120 * 121) / 2).toBeGreaterThan(MOST_PATHS);
    expect(count(svg, "<image ")).toBe(1);
    expect(count(svg, 'class="edge"')).toBe(10);
    expect(svg).toContain("drawn as an image");
  }, 30_000);

  it("outlines the pinned line at its own opacity, with its weight, and shades the tokens that the page shades", async () => {
    const words = Array.from({ length: 20 }, (_, at) => ` w${at}`);
    // Query 19 gives each of its 20 keys 1/20.
    const marked = { head: 0, query: 19, key: 4, weight: 0.05, text: ".05" };
    const places = [
      { side: "query" as const, index: 19 },
      { side: "key" as const, index: 4 },
    ];
    const { svg } = await headFigure(wanted(words, { places, shaded: places[0], marked }));
    const group = /<g class="marked">.*?<\/g>/s.exec(svg)?.[0] ?? "";
    expect(/stroke-opacity="([^"]+)"/.exec(group)?.[1]).toBe("0.048");
    expect(group).toContain(">.05</text>");
    expect(svg).toContain("The outlined line is that of head 3.0 from “w19” (19) to “w4” (4): .05.");
    // The keys of the query are shaded, all twenty alike; the sources of the key would be sixteen, unlike each other.
    const shaded = /<g class="shading">.*?<\/g>/s.exec(svg)?.[0] ?? "";
    expect(shaded.match(/fill-opacity="[^"]+"/g)).toEqual(Array(20).fill('fill-opacity="0.030"'));
    expect((await headFigure(wanted(words))).svg).not.toContain("marked");
  });

  it("turns for scripts read across", async () => {
    const view = { ...EMPTY.view, orientation: "rows" as const };
    const { svg } = await headFigure(wanted(["a", "b"], { view }));
    expect(svg).toContain("from the tokens at the top to those at the bottom");
    expect(count(svg, 'class="edge"')).toBe(3);
  });
});

/** The pixels of the first image in a figure, as ImageData words. */
function pixelsOf(svg: string): Uint32Array {
  const file = Buffer.from(svg.match(/base64,([^"]+)"/)?.[1] ?? "", "base64");
  const at = file.indexOf("IDAT");
  const [width, height] = [file.readUInt32BE(16), file.readUInt32BE(20)];
  const lines = inflateSync(file.subarray(at + 4, at + 4 + file.readUInt32BE(at - 4)));
  const bytes = new Uint8Array(width * height * 4);
  for (let row = 0; row < height; row++)
    bytes.set(lines.subarray(row * (4 * width + 1) + 1, (row + 1) * (4 * width + 1)), row * 4 * width);
  return new Uint32Array(bytes.buffer);
}

describe("a matrix figure", () => {
  /** Step n of darkness has the pixel n + 1: only a cell left out is 0. */
  const colors = Uint32Array.from({ length: 256 }, (_, step) => step + 1);
  const matrix = (words: readonly string[], more: Partial<MatrixFigure> = {}): MatrixFigure => ({
    ...{ ...wanted(words), head: 1, colors },
    ...more,
  });
  const weights = (svg: string) => [...pixelsOf(svg)].map((word) => (word === 0 ? null : (word - 1) / 255));

  it("has every weight, and leaves the cells of a hidden sink blank", async () => {
    const all = await matrixFigure(matrix(["a", "b"]));
    expect(weights(all.svg)).toEqual([1, 0, expect.closeTo(0.5, 2), expect.closeTo(0.5, 2)]);
    expect(all.svg).not.toContain("blank");
    const { svg } = await matrixFigure(matrix(["a", "b"], { view: { ...EMPTY.view, sinks: "hidden" } }));
    expect(weights(svg)).toEqual([null, 0, null, expect.closeTo(0.5, 2)]);
    expect(svg).toContain("Attention to the first token is hidden. Cells not drawn are blank.");
  });

  it("shows rows renormalized without the sink", async () => {
    const { svg } = await matrixFigure(
      matrix(["a", "b", "c"], { view: { ...EMPTY.view, sinks: "renormalized" } }),
    );
    expect(weights(svg).slice(3)).toEqual([null, 1, 0, null, ...Array(2).fill(expect.closeTo(0.5, 2))]);
    expect(svg).toContain(
      "Attention to the first token is hidden; the other weights of each row are renormalized",
    );
  });

  it("keeps to a sentence filter, as the head figure does", async () => {
    const tokens = ["A", "B"].map((sentence) => ({ ...token("x"), sentence: sentence as "A" | "B" }));
    const more = { queries: tokens, keys: tokens, view: { ...EMPTY.view, filter: "BA" as const } };
    const { svg } = await matrixFigure(matrix(["x", "x"], more));
    expect(weights(svg)).toEqual([null, null, expect.closeTo(0.5, 2), null]);
    expect(svg).toContain("Only attention B → A is drawn.");
    expect((await headFigure(wanted(["x", "x"], more))).svg).toContain("Only attention B → A is drawn.");
  });
});

describe("a neuron figure", () => {
  const numbers = (...values: readonly number[]) => Float32Array.from(values);
  const data = { softcap: null, biasKind: null, scaling: 0.5 };
  const q = numbers(1, 2, 3, 4);
  const neurons = (more: Partial<NeuronFigure> = {}): NeuronFigure => {
    const { subject, queries, keys, view, dark } = wanted(["a", "b"]);
    return {
      ...{
        subject,
        queries,
        keys,
        view,
        dark,
        stackLayer: 3,
        dotDigits: 2,
        scoreError: 0,
        marked: [],
        without: null,
        missing: null,
      },
      vectors: { data, head: 1, queries: 2, keys: 2, dim: 2, q, k: q, rounding: 0 } as unknown as HeadVectors,
      trace: {
        ...{ query: 0, keys: 2, dim: 2, products: q, capped: null, bias: null, set: false },
        ...{ dots: Float64Array.of(5, 11), scores: Float64Array.of(2.5, 5.5), allowed: Uint8Array.of(1, 0) },
      },
      ...{ weights: numbers(1, 0), order: null, orderNote: null, side: null },
      fulls: { q: 4, k: 4, product: 4, dot: 11 },
      ...more,
    };
  };
  const side: ValueSide = {
    values: {
      ...{ head: 1, keys: 2, dim: 2, v: q, note: null },
      ...{ transformed: numbers(3, 4), outputs: numbers(2.5, 0) },
    },
    weighted: numbers(3, 0),
    fulls: { v: 4, transformed: 4, weighted: 3 },
  };

  it("has the value side where the page shows it, and the length of the head's output", async () => {
    expect((await neuronFigure(neurons())).svg).not.toContain("value v");
    const { svg } = await neuronFigure(neurons({ side }));
    for (const part of ["value v", "‖f(x)‖", "α‖f(x)‖", ">4.00<", ">3.00<", ">–<"])
      expect(svg).toContain(part);
    expect(count(svg, 'class="value-vector"')).toBe(2);
    // The whole sentence is in the description; the caption is broken into lines.
    expect(svg).toContain("The head output has norm 2.50; the contributions of the keys sum to 3.00.");
  });

  it("tells hidden keys from masked ones, and compares no output with a part of the keys", async () => {
    expect((await neuronFigure(neurons({ side }))).svg).toContain(">masked<");
    const { svg } = await neuronFigure(
      neurons({ side, without: { keys: new Set([1]), name: "first token" } }),
    );
    expect(svg).toContain(">hidden<");
    expect(svg).not.toContain("masked");
    expect(svg).toContain("The head output, over all keys, has norm 2.50. Attention is renormalized without");
  });

  it("says why norms are unknown", async () => {
    const bare = { ...side.values, transformed: null, outputs: null, note: "The model has no W_O." };
    const { svg } = await neuronFigure(neurons({ side: { ...side, values: bare, weighted: null } }));
    expect(svg).toContain("On the right, the value vector v of each key. The model has no W_O.");
    expect(svg).not.toContain("‖f(x)‖");
  });

  it("says how its dimensions stand", () => {
    const pairing = { partner: Int16Array.of(1, 0, -1), wavelength: Float64Array.of(6.283, 62832, Infinity) };
    expect(orderNote("wavelength", pairing, null)).toBe(
      "Rotary pairs of q and k are sorted by wavelength: from 6.3 tokens on the left to 63k on the right, then 1 pair without rotation",
    );
    expect(orderNote("contribution", null, "“b” (token 1)")).toBe(
      "Dimensions are sorted by their contribution to q · k with “b” (token 1), largest first",
    );
    expect(orderNote("index", pairing, "“b”")).toBeNull();
  });
});

describe("svg", () => {
  it("escapes attributes and content", () => {
    expect(element("a", { title: '"<&>' }, "]]>").markup).toBe('<a title="&quot;&lt;&amp;&gt;">]]&gt;</a>');
    expect(escapeXml("a\u2028b\ufffe")).toBe("a⟨U+2028⟩b\ufffd");
  });

  it("breaks lines between words, and words that have no room", () => {
    expect(wrapped("one two three", 12, 60)).toEqual(["one two", "three"]);
    expect(wrapped("x".repeat(40), 12, 60).join("")).toBe("x".repeat(40));
  });

  it("holds pixels as PNG files", async () => {
    const file = Buffer.from(
      await png({ width: 2, height: 1, data: Uint8Array.of(1, 2, 3, 255, 4, 5, 6, 7) }),
    );
    expect(file.subarray(0, 8).toString("latin1")).toBe("\x89PNG\r\n\x1a\n");
    const at = file.indexOf("IDAT");
    const pixels = inflateSync(file.subarray(at + 4, at + 4 + file.readUInt32BE(at - 4)));
    expect([...pixels]).toEqual([0, 1, 2, 3, 255, 4, 5, 6, 7]);
    expect(file.readUInt32BE(29)).toBe(0xf4_22_7f_8a);
  });

  it("is saved under names that any system takes", () => {
    expect(fileName("smollm2", "9.4", "The doctor asked the nurse a question. She")).toBe(
      "attnscope-smollm2-9.4-the-doctor-asked-the-nurse-a-question",
    );
    expect(fileName("org/Model:1", "head-3.0", "../../etc\u0000 naïve 雨")).toBe(
      "attnscope-model-1-head-3.0-etc-naïve-雨",
    );
    expect(fileName("C:\\models\\mine\\", "model", 'CON? <a|b> "c"*. ')).toBe(
      "attnscope-mine-model-con-a-b-c",
    );
    expect(fileName("m", "model", null)).toBe("attnscope-m-model");
    expect(fileName("m", "model", "नमस्ते दुनिया")).toBe("attnscope-m-model-नमस्ते-दुनिया");
    for (const text of ["x".repeat(500), "雨".repeat(500), "🦊".repeat(500), "e\u0301".repeat(300)]) {
      const name = fileName(`${text}/${text}`, "head-3.0", text);
      expect(Buffer.byteLength(name)).toBeLessThanOrEqual(120);
      expect(name).toMatch(/^attnscope-[\p{L}\p{M}\p{N}.-]*[\p{L}\p{M}\p{N}]$/u);
      expect(name).toBe(name.normalize("NFC").toWellFormed());
    }
  });
});

describe("Python", () => {
  it("is escaped as Python reads it", () => {
    expect(pythonString('a"\\\n\t\u0000\u202e\ud800 é 雨 🦊 \u00a0')).toBe(
      '"a\\"\\\\\\n\\t\\x00\\u202e\\ud800 é 雨 🦊 \\xa0"',
    );
  });

  it("shows the view with what is selected, or opens a trace without a model", () => {
    const shape = { heads: 4, kv_heads: 4, qk_dim: 8, v_dim: 8 };
    const trace = {
      ...{
        v: 1,
        id: "1",
        last: true,
        tensors: new Map(),
        type: "trace",
        trace: "abc",
        warnings: [],
        certificate: null,
      },
      model: { name: "m", title: "M", kind: "decoder", dtype: null, quantization: null, parameters: null },
      input: { text: "a b", pair: "c" },
      tokens: { text: [token("a"), token(" b")] },
      stacks: {
        decoder: {
          layers: 1,
          heads: 4,
          kv_heads: 4,
          head_dim: 8,
          causal: true,
          query: "text",
          key: "text",
          shapes: [shape],
        },
      },
      next: null,
    } as TraceMessage;
    let state = reduce(EMPTY, { type: "traced", trace });
    state = reduce(state, { type: "isolate-head", head: 2 });
    state = reduce(state, { type: "pin", place: { side: "query", index: 1 } });
    expect(pythonOf(state, "head")).toContain('trace = model.trace("a b", pair="c")');
    expect(pythonOf(state, "head")).toContain(
      'attnscope.show(trace, view="head", layer=0, heads=[2], token=1)',
    );
    expect(pythonOf(state, "side")).toContain(
      'attnscope.show(trace, view="neuron", layer=0, head=2, token=1)',
    );
    expect(pythonOf(state, "model")).toContain('attnscope.show(trace, view="model")');
    const saved = reduce(EMPTY, {
      type: "traced",
      trace: { ...trace, model: { ...trace.model, name: null } },
    });
    expect(pythonOf(saved, "head")).toContain("attnscope.open(");
    const cut = { type: "CutEdge", layer: 1, head: 0, query: 3, key: 1, stack: "cross" };
    const changed = { ...trace, input: { text: "a", pair: null, target: "x" }, edits: [cut] };
    expect(pythonOf(reduce(EMPTY, { type: "traced", trace: changed }), "model")).toContain(
      'model.trace("a", target="x", edits=[edits.CutEdge(layer=1, head=0, query=3, key=1, stack="cross")])',
    );
    const comparison = { kind: "unchanged", baseline: trace, current: changed, alignment: null } as const;
    const compared = reduce(reduce(EMPTY, { type: "traced", trace: changed }), {
      ...{ type: "compared", comparison, field: "difference" },
    });
    const two = pythonOf(compared, "head").split("\n");
    expect(two).toContain("from attnscope import edits");
    expect(two).toContain('baseline = model.trace("a b", pair="c")');
    expect(two).toContain(
      'attnscope.show(trace, view="head", layer=0, heads=[0, 1, 2, 3], baseline=baseline, field="difference")',
    );
    expect(two).toContain(
      "difference = attnscope.analysis.difference(trace, baseline, 0, 0)  # [query, key]",
    );
    const before = pythonOf(reduce(compared, { type: "field", field: "before" }), "side");
    expect(before).toContain("q, k = baseline.q(0, 0), baseline.k(0, 0)");
    const otherModel = { ...trace, model: { ...trace.model, name: "base" } };
    const models = pythonOf(
      reduce(compared, { type: "compared", comparison: { ...comparison, baseline: otherModel } }),
      "head",
    );
    expect(models).toContain(
      'baseline_model = attnscope.load("base")\nbaseline = baseline_model.trace("a b"',
    );
    const chat = {
      ...trace,
      input: { ...trace.input, pair: null, messages: [{ role: "user", content: "hi" }] },
    };
    expect(pythonOf(reduce(EMPTY, { type: "traced", trace: chat }), "model")).toContain(
      'model.trace([{"role": "user", "content": "hi"}])',
    );
  });
});
