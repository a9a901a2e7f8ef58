import { describe, expect, it } from "vitest";
import { Thumbnails } from "../src/compute/thumbnails";
import { modelFigure } from "../src/figures/model";
import { EMPTY } from "../src/state/state";
import { arrangementOf, legendOf, type ModelOnShow } from "../src/views/export/modelArrangement";
import { thumbnailPainter } from "../src/views/export/thumbnailPainter";
import type { ShownMeasure } from "../src/views/model/measures";
import { firstModel, modelTitle } from "../src/views/toolbar/modelTitle";
import type { ModelEntry, OverviewMessage, Token } from "../src/wire/messages";

function token(text: string): Token {
  return { text, id: 1, special: false, sentence: null, continues: false, raw: false };
}

const SUBJECT = {
  ...{ model: "A <model>", modelName: null, precision: [], text: "a", pair: null, stack: "" },
  ...{ target: null, edits: [] },
  ...{ trace: "0123456789abcdef", baseline: null, version: "0.1.0" },
};

const count = (svg: string, part: string): number => svg.split(part).length - 1;

describe("a model figure", () => {
  const value = ({ layer, head }: { readonly layer: number; readonly head: number }) => 10 * head - layer;
  const measure: ShownMeasure = {
    ...{ name: "m", title: "Entropy", unit: "nats", range: [null, null], sentence: "" },
    ...{ value, values: [0, 10, -1, 9], bounds: [-1, 10], signed: false, pass: null },
  };
  const arranged = (view: Partial<ModelOnShow["view"]>, more: Partial<ModelOnShow> = {}): ModelOnShow => ({
    ...{ heads: [2, 2], leftOut: [], measure, within: () => true, count: { all: 4, inside: 4 } },
    ...{ sinkName: "first token", hasSinks: true, view: { ...EMPTY.view, measure: "m", ...view } },
    ...more,
  });
  const figure = (now: ModelOnShow) => {
    return modelFigure({
      ...{ subject: SUBJECT, dark: false, look: "map", settings: {}, selected: { layer: 0, heads: [0] } },
      ...{ ...arrangementOf(now), compose: () => true, mark: () => null },
      legend: legendOf(now.measure, now.view.tint, "blue", false),
    });
  };
  const names = (now: ModelOnShow) => arrangementOf(now).cells.map(({ layer, head }) => `${layer}.${head}`);

  it("ranks all heads, each by its name, and leaves out those outside the range", async () => {
    const within = (place: { readonly layer: number; readonly head: number }) => value(place) >= 0;
    const now = arranged({ sort: "ranking", range: [0, null] }, { within, count: { all: 4, inside: 3 } });
    expect(names(now)).toEqual(["0.1", "1.1", "0.0"]);
    const { svg } = await figure(now);
    for (const name of ["0.1", "1.1", "0.0"]) expect(svg).toContain(`>${name}</text>`);
    expect(svg).toContain("all heads sorted by Entropy, largest first, row by row.");
    expect(svg).toContain("3 of 4 heads have Entropy from 0.000 to 10.0 nats; the others are omitted.");
    expect(svg).toContain("Entropy is computed over all keys, including the first token.");
    expect(svg).toContain("3 of 4 heads of A &lt;model&gt;");
  });

  it("sorts heads in their layers, and layers", async () => {
    expect(names(arranged({ sort: "heads" }))).toEqual(["0.1", "0.0", "1.1", "1.0"]);
    const upside = arranged({ sort: "layers" }, { measure: { ...measure, value: ({ layer }) => layer } });
    expect(arrangementOf(upside).rowNames).toEqual(["1", "0"]);
    const { svg } = await figure(upside);
    expect(svg).toContain("layers are sorted by their mean Entropy, largest first");
  });

  it("has the tint's legend, and says where the measure is without the sinks or not defined", async () => {
    const some = { ...measure, values: [0, 10, 9] };
    const { svg } = await figure(arranged({ measured: "off-sink" }, { measure: some }));
    expect(count(svg, "<image ")).toBe(2);
    expect(svg).toContain(">10.0 nats</text>");
    expect(svg).toContain("Backgrounds are tinted by Entropy, from −1.00 to 10.0 nats.");
    expect(svg).toContain("Entropy is computed without the first token, on renormalized weights.");
    expect(svg).toContain("Hatched: 1 head for which it is undefined");
    const plain = await figure(arranged({ tint: "off" }));
    expect(count(plain.svg, "<image ")).toBe(1);
  });

  it("says when the page's measure has not arrived", async () => {
    const { svg } = await figure(arranged({ sort: "ranking" }, { measure: null }));
    expect(svg).toContain("Heads are in model order and not tinted");
    expect(svg).toContain("rows are layers, columns are heads.");
  });

  it("colors a head by its value, fainter outside the range, hatched where it has none", () => {
    const data = Uint8Array.of(0, 0, 0, 0);
    const thumbnails = {
      ...{ layer: 0, heads: 4, rows: 1, columns: 1, pooled: [1, 1] },
      tensors: new Map([["thumbnails", { shape: [4, 1, 1], data }]]),
    } as unknown as OverviewMessage;
    const rules = {
      ...({ filter: "all", sinksHidden: false, sinks: new Set<number>() } as const),
      ...{ queries: [token("a")], keys: [token("a")] },
    };
    const paint = thumbnailPainter(new Map([[0, new Thumbnails(thumbnails)]]), rules, "map", {
      ...{ palette: "blue", scale: "linear", dark: false, tintSigned: false, differenceFull: null },
      tint: ({ head }) => [0, 1, 1, Number.NaN][head],
      within: ({ head }) => head !== 2,
    });
    const pixels = [0, 1, 2, 3].map((head) => {
      const picture = { width: 8, height: 1, words: new Uint32Array(8) };
      expect(paint(picture, { x: 0, y: 0, width: 8, height: 1 }, { layer: 0, head }, 1)).toBe(true);
      return picture.words;
    });
    const light = (head: number) => pixels[head][3] & 255;
    expect(light(1)).toBeLessThan(light(2));
    expect(light(2)).toBeLessThan(256);
    expect(light(1)).toBeLessThan(light(0));
    expect([0, 1, 2, 3].map((head) => new Set(pixels[head]).size)).toEqual([1, 1, 1, 2]);
  });
});

describe("the model's name", () => {
  const entry = (name: string): ModelEntry => ({ name, title: `The ${name}`, kind: "decoder" }) as ModelEntry;
  const hello = (model: string | null, ...names: readonly string[]) => ({
    ...{ model, models: names.map(entry), can: ["run"] },
  });

  it("is that of the model which the first run will be of", () => {
    expect(modelTitle(null, hello(null, "one"))).toBe("The one");
    expect(modelTitle(null, hello("two", "one", "two"))).toBe("The two");
    expect(modelTitle(null, hello(null, "one", "two"))).toBe("No model loaded");
    expect(modelTitle(null, hello("two", "one", "two"), "one")).toBe("The one");
    expect(modelTitle(null, { ...hello(null, "one"), can: [] })).toBe("No model loaded");
    expect(firstModel(null)).toBeNull();
  });
});
