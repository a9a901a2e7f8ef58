import { describe, expect, it } from "vitest";
import { Kernel } from "../src/compute/kernel";
import { layerData } from "../src/compute/layerData";
import { ComputedLayer, layerField, PackedLayer } from "../src/compute/layerField";
import type { LayerMessage } from "../src/wire/messages";
import { readMessage } from "../src/wire/readMessage";
import { golden, goldenBytes, NAMES } from "./golden";

const LAYERS = NAMES.filter((name) => name !== "progress" && name !== "packed");

function layer(name: string): LayerMessage {
  const message = readMessage(goldenBytes(name));
  if (message.type !== "layer") throw new Error(`${name} is no layer`);
  return message;
}

describe("the kernel agrees with a softmax written out in Python", () => {
  it.each(LAYERS)("for rows and scores: %s", (name) => {
    const kernel = new Kernel(layerData(layer(name)));
    const { attention, scores } = golden(name);
    attention?.forEach((rows, head) => {
      rows.forEach((row, query) => {
        const found = kernel.attention(head, query);
        row.forEach((weight, key) => {
          expect(found[key]).toBeCloseTo(weight, 5);
          const score = scores?.[head][query][key] ?? null;
          const single = kernel.score(head, query, key);
          expect(kernel.allowed(head, query, key)).toBe(score !== null);
          for (const computed of [single, kernel.scores(head, query)[key]]) {
            if (score === null) expect(computed).toBe(Number.NEGATIVE_INFINITY);
            else expect(computed).toBeCloseTo(score, 5);
          }
        });
      });
    });
  });

  it.each(LAYERS)("for columns, through the normalizers: %s", (name) => {
    const message = layer(name);
    const kernel = new Kernel(layerData(message));
    const { attention } = golden(name);
    for (let head = 0; head < message.heads; head++) {
      const normalizers = Float32Array.from({ length: message.queries }, (_, query) =>
        kernel.normalizer(head, query),
      );
      for (let key = 0; key < message.keys; key++) {
        const column = kernel.column(head, key, normalizers);
        for (let query = 0; query < message.queries; query++) {
          expect(column[query]).toBeCloseTo(attention?.[head][query][key] ?? Number.NaN, 5);
        }
      }
    }
  });
});

describe("a field", () => {
  it("knows a column only once the head's normalizers are there", () => {
    const field = layerField(layer("key-bias"));
    if (!(field instanceof ComputedLayer)) throw new Error("q and k are known here");
    expect(field.column(0, 1)).toBeNull();
    const kernel = new Kernel(field.data);
    field.learn(0, [Float32Array.from({ length: field.queries }, (_, query) => kernel.normalizer(0, query))]);
    expect([...(field.column(0, 1) ?? [])]).toHaveLength(field.queries);
    expect(field.column(1, 1)).toBeNull();
  });

  it("takes exact rows in place of its own", () => {
    const field = layerField(layer("key-bias"));
    field.correct(0, 2, new Float32Array([0.1, 0.2, 0.3, 0.4]), new Float32Array([1, 2, 3, 4]));
    expect(field.row(0, 2)[3]).toBeCloseTo(0.4);
    expect(field.score(0, 2, 0)).toBe(1);
  });

  it("has the same weights in its columns as in its rows, exact or not", () => {
    const field = layerField(layer("packed"));
    expect(field.column(1, 3)?.[2]).toBe(field.row(1, 2)[3]);
    field.correct(1, 2, new Float32Array([0.1, 0.2, 0.3, 0.145, 0.255]), null);
    expect(field.column(1, 3)?.[2]).toBeCloseTo(0.145, 7);
    expect(field.column(1, 4)?.[2]).toBeCloseTo(0.255, 7);
    expect(field.column(1, 3)?.[1]).toBe(field.row(1, 1)[3]);
    expect(field.column(0, 3)?.[2]).toBe(field.row(0, 2)[3]);
  });

  it("of packed attention undoes the square root and knows no scores", () => {
    const field = layerField(layer("packed"));
    expect(field).toBeInstanceOf(PackedLayer);
    const bytes = golden("packed").tensors.attention.values;
    expect(field.row(1, 2)[3]).toBeCloseTo((bytes[(1 * 4 + 2) * 5 + 3] / 255) ** 2, 6);
    expect(field.column(1, 3)?.[2]).toBe(field.row(1, 2)[3]);
    expect(field.score(0, 0, 0)).toBeNull();
  });

  it("refuses a layer whose tensors are not of the shapes it names", () => {
    const message = { ...layer("key-bias"), keys: 5 };
    expect(() => layerField(message)).toThrow(/must have shape/);
  });
});
