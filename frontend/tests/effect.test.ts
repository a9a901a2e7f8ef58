import { describe, expect, it } from "vitest";
import { alignedColumns, sameCount } from "../src/compute/tokenAlignment";
import { axisOf, placeOn, probabilityAxis, tickText } from "../src/marks/axis";
import {
  changeText,
  controlSentence,
  effectText,
  metricText,
  metricWords,
  probabilityText,
  shortMetric,
} from "../src/marks/effect";
import { baselineChart, chartOf } from "../src/marks/predictionRows";
import type {
  ControlKind,
  ControlMessage,
  ControlOver,
  EffectMessage,
  TraceMessage,
} from "../src/wire/messages";

const token = (text: string, id = 1) => ({ text, id });

function control(
  over: ControlOver,
  values: readonly (number | null)[],
  before: number,
  after: number,
  error = 0,
) {
  const kind: ControlKind = { over, draws: values.length, all: true, words: "" };
  const metric = { name: "logit", formula: "", answer: " Mary", foil: " John" };
  const message = { over, values, before, after, error, metric } as unknown as ControlMessage;
  return { kind, message };
}

/** The longest common subsequence by trying all subsets of the first list. */
function longestBySearch(a: readonly number[], b: readonly number[]): number {
  let longest = 0;
  for (let chosen = 0; chosen < 2 ** a.length; chosen++) {
    const part = a.filter((_, at) => chosen & (1 << at));
    let at = -1;
    const within = part.every((one) => {
      at = b.indexOf(one, at + 1);
      return at >= 0;
    });
    if (within) longest = Math.max(longest, part.length);
  }
  return longest;
}

describe("the alignment of two continuations", () => {
  it("pairs as many equal tokens as any alignment can", () => {
    let seed = 7;
    const random = (below: number) => {
      seed = (seed * 1103515245 + 12345) % 2 ** 31;
      return Math.floor((seed / 2 ** 31) * below);
    };
    for (let round = 0; round < 60; round++) {
      const lists = [0, 1].map(() => Array.from({ length: random(9) }, () => random(4)));
      const columns = alignedColumns(lists[0], lists[1]);
      expect(sameCount(columns)).toBe(longestBySearch(lists[0], lists[1]));
      // Every token once, in order.
      for (const [row, list] of [
        ["before", lists[0]],
        ["after", lists[1]],
      ] as const)
        expect(columns.flatMap((one) => one[row] ?? [])).toEqual(list.map((_, at) => at));
      for (const { before, after, same } of columns)
        if (same) expect(lists[0][before as number]).toBe(lists[1][after as number]);
    }
  });

  it("puts different tokens beside each other, and gaps where one row has more", () => {
    expect(alignedColumns([1, 2, 3], [9, 2, 8, 3])).toEqual([
      { before: 0, after: 0, same: false },
      { before: 1, after: 1, same: true },
      { before: null, after: 2, same: false },
      { before: 2, after: 3, same: true },
    ]);
    expect(alignedColumns([], [5])).toEqual([{ before: null, after: 0, same: false }]);
  });
});

describe("the sentence of a control", () => {
  it("names the effect, the range of each control and the finest claim", () => {
    const heads = control("heads", [5.61, 7.46, 6.2, 6.3, 6.4, 6.5, 6.6, 6.7], 6.12, -0.32);
    const keys = control(
      "keys",
      Array.from({ length: 13 }, (_, at) => 2.49 + at * 0.348333),
      6.12,
      -0.32,
    );
    expect(controlSentence([heads, keys])).toBe(
      "This change: −6.44. The same on other heads: −0.51 … +1.34; at other keys: −3.63 … +0.55. Outside both. " +
        "With 8 and 13 draws, nothing finer than 1 in 9 can be said.",
    );
  });

  it("says when the effect does not stand out, in one of them or in all", () => {
    const inside = control("heads", [1, 3], 2, 2.5);
    expect(controlSentence([inside])).toContain(
      "Within the range of the other heads: it does not stand out.",
    );
    const mixed = controlSentence([inside, control("keys", [2.1, 2.2], 2, 2.5)]);
    expect(mixed).toContain("Outside the other keys, within the range of the other heads.");
    expect(controlSentence([control("vectors", [5, 6], 2, 2.5)])).toContain("Outside the random vectors.");
  });

  it("names no effect that is rounding, and none without numbers", () => {
    expect(controlSentence([control("heads", [2.1, 2.2], 2, 2.001, 0.01)])).toContain(
      "no more than rounding",
    );
    expect(controlSentence([control("heads", [null], 2, 1)])).toBeNull();
    expect(controlSentence([{ kind: control("heads", [], 0, 0).kind, message: null }])).toBeNull();
  });
});

describe("numbers of an effect", () => {
  it("are probabilities with three decimals and changes with signs", () => {
    expect([0.9231, 0.0004, 0, 1, 0.99951].map(probabilityText)).toEqual([
      ".923",
      "<.001",
      ".000",
      "1.00",
      "1.00",
    ]);
    expect([-0.7671, 0.1329, 0.0002, -0.0001, 1].map(changeText)).toEqual([
      "−.767",
      "+.133",
      ".000",
      ".000",
      "+1.00",
    ]);
    expect([
      metricText(-0.317, "logit"),
      metricText(0.0123, "probability"),
      metricText(null, "logit"),
    ]).toEqual(["−0.32", "0.0123", "–"]);
    expect([effectText(1.344, "logit"), effectText(-6.44, "logit"), effectText(0.001, "logit")]).toEqual([
      "+1.34",
      "−6.44",
      "0.00",
    ]);
  });

  it("say what is measured", () => {
    const [answer, foil] = [token(" Mary"), token(" John")];
    expect(metricWords({ name: "logit", answer, foil })).toBe("logit Mary − John");
    expect(shortMetric({ name: "logit", answer, foil })).toBe("Mary − John");
    expect(metricWords({ name: "logit", answer, foil: null })).toBe("logit Mary");
    expect(metricWords({ name: "log_probability", answer, foil: null })).toBe("ln p(Mary)");
    expect(metricWords({ name: "log_probability", answer, foil })).toBe("ln p(Mary) − ln p(John)");
    expect(metricWords({ name: "probability", answer, foil })).toBe("p(Mary) − p(John)");
    expect(metricWords({ name: "ratio", answer, foil })).toBe("p(Mary) / p(John)");
  });
});

describe("axes", () => {
  it("have round ends and ticks around all values", () => {
    expect(axisOf([-0.32, 6.12, 7.46])).toEqual({ from: -2, to: 8, ticks: [-2, 0, 2, 4, 6, 8] });
    expect(axisOf([]).ticks.length).toBeGreaterThan(1);
    expect(axisOf([3, 3]).from).toBeLessThanOrEqual(3);
    expect(probabilityAxis([0.9, 0.1]).to).toBe(1);
    expect(probabilityAxis([0.208, 0.03])).toEqual({ from: 0, to: 0.3, ticks: [0, 0.1, 0.2, 0.3] });
    expect(placeOn({ from: -2, to: 8, ticks: [] }, 3)).toBe(50);
    expect([0.25, 1, -2, 0].map(tickText)).toEqual([".25", "1", "−2", "0"]);
  });
});

describe("the chart of a prediction", () => {
  const at = (probability: number, rank: number) => ({ probability, rank, value: 0 });
  const effect = {
    tokens: [
      { text: " John", id: 2, before: at(0.1, 2), after: at(0.6, 1) },
      { text: " Mary", id: 1, before: at(0.7, 1), after: at(0.2, 2) },
      { text: " x", id: 3, before: at(0.05, 3), after: at(0.01, 9) },
    ],
    others: { before: 0.15, after: 0.19 },
  } as unknown as EffectMessage;
  const draws = { tokens: [[0.1, 0.8, 0.02]] } as unknown as ControlMessage;

  it("lists the most probable by their probability before, and everything else in one row", () => {
    const { rows, more } = chartOf(effect, draws, 2, true);
    expect(rows.map(({ text }) => text)).toEqual([" Mary", " John", null]);
    expect(rows[0]).toMatchObject({
      before: 0.7,
      after: 0.2,
      ranks: { before: 1, after: 2 },
      elsewhere: [0.8],
    });
    expect(rows[2].before).toBeCloseTo(0.2);
    expect(rows[2].after).toBeCloseTo(0.2);
    expect(rows[2].elsewhere[0]).toBeCloseTo(0.1);
    expect(more).toBe(1);
  });

  it("knows nothing after while another pass is on its way", () => {
    const { rows } = chartOf(effect, draws, 2, false);
    expect(rows.map(({ after, elsewhere }) => [after, elsewhere])).toEqual([
      [null, []],
      [null, []],
      [null, []],
    ]);
    const baseline = { next: [{ text: " Mary", id: 1, probability: 0.7 }] } as unknown as TraceMessage;
    expect(baselineChart(baseline, 5).rows.map(({ before, after }) => [before, after])).toEqual([
      [0.7, null],
      [expect.closeTo(0.3), null],
    ]);
  });
});
