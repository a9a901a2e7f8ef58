/** A list of changes as a Python program. Pure. */

import type { TraceMessage } from "../wire/messages";
import { chatPython } from "./python";
import { pythonString } from "./pythonString";

type Traced = Pick<TraceMessage, "model" | "input">;

/** A program that makes the changes, each given as a Python expression. */
export function changeProgram(pass: Traced, expressions: readonly string[]): string {
  const { text, pair, target, messages } = pass.input;
  const call = [
    messages === undefined ? pythonString(text ?? "") : chatPython(messages),
    ...(pair === null ? [] : [`pair=${pythonString(pair)}`]),
    ...(target == null ? [] : [`target=${pythonString(target)}`]),
    "edits=changes",
  ];
  return `${lines(pass, expressions)}trace = model.trace(${call.join(", ")})\n`;
}

/** A program that writes the changes into the weights and saves the model. */
export function bakeProgram(pass: Traced, expressions: readonly string[]): string {
  return `${lines(pass, expressions)}model.bake(changes).save_pretrained("FOLDER")\n`;
}

function lines({ model }: Traced, expressions: readonly string[]): string {
  const listed = expressions.map((expression) => `    ${expression},\n`).join("");
  return [
    "import attnscope\nfrom attnscope import edits\n\n",
    `model = attnscope.load(${pythonString(model.name ?? "")})\n`,
    `changes = [\n${listed}]\n`,
  ].join("");
}
