import { describe, expect, it } from "vitest";
import { chance, listsToShow, predictionLists } from "../src/marks/predictions";
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
    expect(predictionLists(of, null).map(({ title }) => title)).toEqual([
      "Next token",
      "Label",
      "Prediction for [MASK] 1",
    ]);
    expect(predictionLists(of, 1).map(({ short }) => short)).toEqual(["next", "[MASK] 1", "label"]);
    expect(predictionLists(of, 1)[1].list[0]).toEqual({
      text: "Paris",
      mark: "",
      at: null,
      share: 0.61,
      number: "61%",
    });
  });

  it("marks a leading space where two next tokens differ only by that", () => {
    const next = [" the", "the", " a"].map((text, id) => ({ text, id, probability: 0.2 }));
    const [{ list }] = predictionLists(trace([], next), null);
    expect(list.map(({ mark, text }) => [mark, text])).toEqual([
      ["·", "the"],
      ["", "the"],
      ["", "a"],
    ]);
  });

  it("is a number where there is no probability", () => {
    const score: Prediction = {
      ...{ of: "label", position: null, exclusive: false, choices: [choice("stars", null, -3.25)] },
    };
    const [found] = predictionLists(trace([score]), null);
    expect(found.list).toEqual([{ text: "stars", mark: "", at: null, share: null, number: "−3.25" }]);
    expect(predictionLists(trace([]), null)).toEqual([]);
  });

  it("names the place of a word that the input has twice, where an answer may begin there", () => {
    const begins: Prediction = {
      ...{ of: "start", position: null, exclusive: true },
      choices: [
        { ...choice("the", 0.5), id: 0 },
        { ...choice("the", 0.2), id: 2 },
        { ...choice("mill", 0.1), id: 1 },
      ],
    };
    const answer: Prediction = {
      of: "answer",
      position: null,
      exclusive: true,
      choices: [choice("the", 0.1)],
    };
    const tokens = { text: [token("the"), token(" mill"), token(" the")] };
    const all = predictionLists({ ...trace([begins, answer]), tokens } as unknown as TraceMessage, null);
    expect(all.map(({ of }) => of)).toEqual(["answer", "start"]);
    const found = all[1];
    expect(found.list.map(({ text, at }) => [text, at])).toEqual([
      ["the", 0],
      ["the", 2],
      ["mill", null],
    ]);
  });

  it("of labels of tokens shows that of the token looked at alone, and says how many there are besides", () => {
    const labels = [0, 1, 2].map(
      (position): Prediction => ({
        of: "token_label",
        position,
        exclusive: true,
        choices: [choice("O", 0.9)],
      }),
    );
    const at = (near: number | null, most = 4) => {
      const { lists, more } = listsToShow(predictionLists(trace(labels), near), near, most);
      return [lists.map(({ position }) => position), more];
    };
    expect(at(1)).toEqual([[1], 2]);
    expect(at(7)).toEqual([[], 3]);
    expect(at(null, 2)).toEqual([[0, 1], 1]);
  });

  it("has no probability of 0.00 that is none", () => {
    expect([0, 0.0004, 0.0049, 0.006, 0.61].map(chance)).toEqual(["0.00", "<0.01", "<0.01", "0.01", "0.61"]);
  });
});
