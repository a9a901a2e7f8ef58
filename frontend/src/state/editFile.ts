/** Edits in a JSON file, as `attnscope.edits.to_json` writes them. */

import type { Edit } from "../wire/messages";

/** The fields that each kind of edit needs besides its type. */
const NEEDED: Readonly<Record<string, readonly string[]>> = {
  ScaleHead: ["layer", "head", "factor"],
  MeanHead: ["layer", "head", "reference"],
  ResampleHead: ["layer", "head", "reference"],
  SetAttention: ["layer", "head", "query", "key", "weight"],
  CutEdge: ["layer", "head", "query", "key"],
  ScaleNeuron: ["layer", "head", "dims", "factor"],
  PatchHead: ["layer", "head", "source"],
  AddVector: ["layer", "position", "vector"],
};
const WHOLE = ["layer", "head"];
const NUMBERS = ["factor", "weight"];

export function editsToJson(edits: readonly Edit[]): string {
  return `${JSON.stringify(edits, null, 1)}\n`;
}

/** The edits of a file. Throws an error whose message is one sentence if it holds something else. */
export function editsFromJson(text: string): readonly Edit[] {
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    throw new Error("This file is not JSON. Choose one that Save JSON or attnscope.edits.to_json wrote.");
  }
  if (!Array.isArray(found))
    throw new Error(
      "This file has no list of edits. Choose one that Save JSON or attnscope.edits.to_json wrote.",
    );
  return found.map((one, index) => checkedEdit(one, index + 1));
}

function checkedEdit(one: unknown, number: number): Edit {
  if (typeof one !== "object" || one === null || !("type" in one) || typeof one.type !== "string")
    throw new Error(`Edit ${number} of this file has no type.`);
  const { type } = one;
  if (!Object.hasOwn(NEEDED, type))
    throw new Error(
      `Edit ${number} of this file has the unknown type ${type.slice(0, 40)}: the types are ${Object.keys(NEEDED).join(", ")}.`,
    );
  const fields: Readonly<Record<string, unknown>> = { ...one };
  for (const name of NEEDED[type]) {
    const value = fields[name];
    if (!(name in fields)) throw new Error(`Edit ${number} of this file, a ${type}, has no \`${name}\`.`);
    const whole = WHOLE.includes(name) && !(Number.isInteger(value) && Number(value) >= 0);
    const real = NUMBERS.includes(name) && !Number.isFinite(value);
    if (whole || real)
      throw new Error(
        `Edit ${number} of this file, a ${type}, has \`${name}\` ${JSON.stringify(value)?.slice(0, 40)}: it must be a ${whole ? "whole " : ""}number.`,
      );
  }
  return { ...fields, type };
}
