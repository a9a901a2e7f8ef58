import { describe, expect, it } from "vitest";
import { guessesOf } from "../src/marks/predictions";
import type { Prediction, TraceMessage } from "../src/wire/messages";

const choice = (text: string, probability: number | null, value = 0) => ({
  text,
  id: 1,
  probability,
  value,
  last: null,
});
const token = (text: string) => ({
  ...{ text, id: 1, special: false, sentence: null, continues: false, raw: false },
});

function trace(predictions: readonly Prediction[], next: TraceMessage["next"] = null): TraceMessage {
  const tokens = { text: [token("a"), token(" [MASK]"), token(" c")] };
  return { predictions, next, tokens } as unknown as TraceMessage;
}

describe("what a model predicts", () => {
  it("is the next token first, then masks and labels, those about the token looked at before others", () => {
    const mask: Prediction = {
      ...{ of: "token", position: 1, exclusive: true, choices: [choice(" Paris", 0.61), choice("", 0.1)] },
    };
    const label: Prediction = {
      of: "label",
      position: null,
      exclusive: true,
      choices: [choice("good", 0.9)],
    };
    const of = trace([label, mask], [{ text: " dog", id: 2, probability: 0.4 }]);
    expect(guessesOf(of, null).map(({ title }) => title)).toEqual(["Next token", "Label", "Behind [MASK] 1"]);
    expect(guessesOf(of, 1).map(({ short }) => short)).toEqual(["next", "[MASK] 1", "label"]);
    expect(guessesOf(of, 1)[1].list[0]).toEqual({ text: "Paris", share: 0.61, number: "61%" });
  });

  it("is a number where there is no probability", () => {
    const score: Prediction = {
      ...{ of: "label", position: null, exclusive: false, choices: [choice("stars", null, -3.25)] },
    };
    const [found] = guessesOf(trace([score]), null);
    expect(found.list).toEqual([{ text: "stars", share: null, number: "−3.25" }]);
    expect(guessesOf(trace([]), null)).toEqual([]);
  });
});
