import { describe, expect, it } from "vitest";
import { Kernel } from "../src/compute/kernel";
import { type LayerData, layerData } from "../src/compute/layerData";
import {
  contribution,
  disagreement,
  dotError,
  headVectors,
  sinkMass,
  spanOf,
  strongestKey,
  together,
  traceQuery,
} from "../src/compute/neuron";
import { byContribution, pairingOf } from "../src/compute/rotaryPairs";
import { headValues, weighted } from "../src/compute/values";
import type { ValuesMessage } from "../src/wire/messages";
import { readMessage } from "../src/wire/readMessage";
import { golden, goldenBytes, NAMES } from "./golden";

const LAYERS = NAMES.filter((name) => name !== "progress" && name !== "packed");

function data(name: string): LayerData {
  const message = readMessage(goldenBytes(name));
  if (message.type !== "layer") throw new Error(`${name} is no layer`);
  return layerData(message);
}

/** Element [head, row, n] of a golden tensor, straight from its JSON. */
function element(name: string, tensor: string, head: number, row: number, n: number): number {
  const { shape, values } = golden(name).tensors[tensor];
  return values[(head * shape[1] + row) * shape[2] + n];
}

describe("from q and k to the scores", () => {
  it.each(LAYERS)("every product is q times the whole k: %s", (name) => {
    const layer = data(name);
    const means = golden(name).tensors.k_mean;
    for (let head = 0; head < layer.heads; head++) {
      const group = Math.floor((head * layer.kvHeads) / layer.heads);
      const vectors = headVectors(layer, head);
      for (let query = 0; query < layer.queries; query++) {
        const trace = traceQuery(vectors, query);
        for (let key = 0; key < layer.keys; key++) {
          let sum = 0;
          for (let n = 0; n < layer.dim; n++) {
            const k = element(name, "k", group, key, n) + (means?.values[group * layer.dim + n] ?? 0);
            const product = element(name, "q", head, query, n) * k;
            expect(trace.products[key * layer.dim + n]).toBeCloseTo(product, 5);
            sum += product;
          }
          expect(trace.dots[key]).toBeCloseTo(sum, 4);
        }
      }
    }
  });

  it.each(LAYERS)("the sums of the cells lead to the scores that Python wrote out: %s", (name) => {
    const layer = data(name);
    const { scores } = golden(name);
    for (let head = 0; head < layer.heads; head++) {
      for (let query = 0; query < layer.queries; query++) {
        const trace = traceQuery(headVectors(layer, head), query);
        scores?.[head][query].forEach((score, key) => {
          expect(trace.allowed[key]).toBe(score === null ? 0 : 1);
          if (score === null) expect(trace.scores[key]).toBe(Number.NEGATIVE_INFINITY);
          else expect(trace.scores[key]).toBeCloseTo(score, 4);
        });
        expect(disagreement(trace, (key) => scores?.[head][query][key] ?? null)).toBeLessThan(1e-4);
      }
    }
  });

  it("cap and bias are told apart, in this order", () => {
    const layer = data("window-softcap");
    const trace = traceQuery(headVectors(layer, 1), 3);
    const cap = layer.softcap ?? Number.NaN;
    trace.dots.forEach((dot, key) => {
      expect(trace.capped?.[key]).toBeCloseTo(cap * Math.tanh((dot * layer.scaling) / cap), 6);
    });
    const biased = data("dense-bias");
    const other = traceQuery(headVectors(biased, 0), 1);
    other.dots.forEach((dot, key) => {
      if (other.allowed[key] === 1) {
        expect(other.scores[key]).toBeCloseTo(dot * biased.scaling + (other.bias?.[key] ?? Number.NaN), 6);
      }
    });
  });

  it("a layer without cap or bias has no such columns", () => {
    const trace = traceQuery(headVectors(data("causal-gqa-half"), 0), 2);
    expect(trace.capped).toBeNull();
    expect(trace.bias).toBeNull();
  });

  it("heads of a group share their keys, and the mean is put back once", () => {
    const layer = data("causal-gqa-half");
    expect(headVectors(layer, 0).k).toBe(headVectors(layer, 1).k);
    expect(headVectors(layer, 0).k).not.toBe(headVectors(layer, 2).k);
  });
});

describe("contributions", () => {
  const layer = data("causal-gqa-half");
  const vectors = headVectors(layer, 1);
  const trace = traceQuery(vectors, 5);

  it("add up to the scaled product, and their shares to one", () => {
    const all = Array.from({ length: layer.dim }, (_, n) => contribution(vectors, trace, 3, n));
    const kernel = new Kernel(layer);
    expect(all.reduce((sum, one) => sum + one.scaled, 0)).toBeCloseTo(kernel.score(1, 5, 3), 5);
    expect(all.reduce((sum, one) => sum + (one.share ?? Number.NaN), 0)).toBeCloseTo(1, 6);
  });

  it("order the dimensions from most added to most taken away", () => {
    const order = byContribution(trace, 2);
    expect([...order].sort((a, b) => a - b)).toEqual(Array.from({ length: layer.dim }, (_, n) => n));
    for (let at = 1; at < order.length; at++) {
      expect(contribution(vectors, trace, 2, order[at - 1]).product).toBeGreaterThanOrEqual(
        contribution(vectors, trace, 2, order[at]).product,
      );
    }
  });

  it("of pairs are those of both, and pairs stay together in their order", () => {
    const half = layer.dim / 2;
    const pairs = Array.from({ length: half }, (_, n) => [n, n + half] as const);
    const pairing = pairingOf({ pairs, wavelengths: pairs.map((_, n) => n + 6) }, 0, layer.dim);
    const order = byContribution(trace, 2, pairing);
    const sums: number[] = [];
    for (let at = 0; at < order.length; at += 2) {
      expect(order[at + 1]).toBe(order[at] + half);
      const both = together(vectors, trace, 2, [order[at], order[at + 1]]);
      const each = [order[at], order[at + 1]].map((n) => contribution(vectors, trace, 2, n).scaled);
      expect(both.scaled).toBeCloseTo(each[0] + each[1], 6);
      sums.push(both.product);
    }
    expect(sums).toEqual([...sums].sort((a, b) => b - a));
  });

  it("have no share of a sum that is nothing", () => {
    const empty = { ...trace, dots: new Float64Array(trace.keys) };
    expect(contribution(vectors, empty, 0, 0).share).toBeNull();
  });
});

describe("around a row", () => {
  it("the strongest key is one that is allowed", () => {
    const layer = data("causal-gqa-half");
    const trace = traceQuery(headVectors(layer, 0), 1);
    expect(strongestKey(trace, [0.2, 0.3, 0.9, 0, 0, 0])).toBe(1);
    expect(strongestKey({ ...trace, allowed: new Uint8Array(6) }, [1, 1, 1, 1, 1, 1])).toBeNull();
  });

  it("the sink takes what the keys leave", () => {
    const layer = data("dense-sinks");
    const weights = new Kernel(layer).attention(1, 3);
    const left = 1 - weights.reduce((sum, weight) => sum + weight, 0);
    expect(left).toBeGreaterThan(0.001);
    expect(sinkMass(headVectors(layer, 1), weights)).toBeCloseTo(left, 6);
    expect(sinkMass(headVectors(data("key-bias"), 0), weights)).toBeNull();
  });

  it("rounding to half precision is far worse than to single", () => {
    const half = headVectors(data("softcap-half"), 0);
    const trace = traceQuery(half, 2);
    const single = { ...half, rounding: 2 ** -24 };
    expect(dotError(half, trace, 1)).toBeCloseTo(dotError(single, trace, 1) * 2 ** 13, 8);
  });
});

describe("a span", () => {
  it("knows the largest magnitude and the one that most stay below", () => {
    const values = Float32Array.from({ length: 1000 }, (_, at) => (at % 2 === 0 ? 1 : -1) * (at / 1000));
    values[500] = -50;
    const { largest, usual } = spanOf(values, 0.95);
    expect(largest).toBe(50);
    expect(usual).toBeLessThan(1.1);
    expect(spanOf(values, 1).usual).toBeCloseTo(50, 6);
  });

  it("of zeros is nothing", () => {
    expect(spanOf(new Float32Array(8), 0.9)).toEqual({ largest: 0, usual: 0 });
  });
});

describe("the value side", () => {
  const tensor = (shape: readonly number[], from: number) => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, at) => from + at),
  });
  const message = {
    ...{ v: 1, id: "r", type: "values", last: true, trace: "t", stack: "decoder", layer: 0 },
    ...{ heads: 4, kv_heads: 2, queries: 3, keys: 3, v_dim: 2, error: 0, note: null },
    tensors: new Map([
      ["v", tensor([2, 3, 2], 0)],
      ["output_norm", tensor([4, 3], 100)],
      ["transformed_norm", tensor([4, 3], 200)],
    ]),
  } as unknown as ValuesMessage;

  it("of a head are its group's values and its own lengths", () => {
    const values = headValues(message, 3);
    expect([...values.v]).toEqual([6, 7, 8, 9, 10, 11]);
    expect([...(values.outputs ?? [])]).toEqual([109, 110, 111]);
    expect([...(values.transformed ?? [])]).toEqual([209, 210, 211]);
    expect([...weighted([0.5, 0, 0.25], Float32Array.of(2, 9, 4))]).toEqual([1, 0, 1]);
  });

  it("has no lengths where none came, and what does not fit is refused", () => {
    const bare = {
      ...message,
      note: "why",
      tensors: new Map([["v", tensor([2, 3, 2], 0)]]),
    } as ValuesMessage;
    expect(headValues(bare, 0)).toMatchObject({ transformed: null, outputs: null, note: "why" });
    const cut = { ...message, tensors: new Map([["v", tensor([2, 3], 0)]]) } as ValuesMessage;
    expect(() => headValues(cut, 0)).toThrow("2 × 6");
  });
});
