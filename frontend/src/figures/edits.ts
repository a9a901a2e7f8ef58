/** The changes made in a pass, in words and as Python. Pure. */

import { word } from "../marks/format";
import type { Edit, TraceMessage } from "../wire/messages";
import { pythonString } from "./pythonString";

/** One edit as a sentence without its full stop; tokens by their words where the trace is given that has them. */
export function editWords(edit: Edit, trace?: Pick<TraceMessage, "stacks" | "tokens">): string {
  const place = `head ${edit.layer}.${edit.head}${inStack(edit)}`;
  const token = (side: "query" | "key", index: unknown) => tokenWords(trace, edit.stack, side, index);
  const edge = `from ${token("query", edit.query)} to ${token("key", edit.key)} in ${place}`;
  switch (edit.type) {
    case "ScaleHead":
      return edit.factor === 0 ? `${place} is off` : `${place} times ${number(edit.factor)}`;
    case "MeanHead":
      return `${place} gives its mean over ${reference(edit.reference)}`;
    case "ResampleHead":
      return `${place} gives samples of ${reference(edit.reference)}`;
    case "SetAttention":
      return `the weight ${edge} is ${number(edit.weight)}`;
    case "CutEdge":
      return `the edge ${edge} is cut`;
    case "ScaleNeuron":
      return `${several(edit.dims)} of ${edit.vector ?? "q"} in ${place} times ${number(edit.factor)}`;
    case "PatchHead":
      return `the ${edit.what ?? "attention"} of ${place} is that of ${reference(edit.source)}`;
    case "AddVector":
      return `a vector added to ${edit.position == null ? "every token" : token("query", edit.position)} at the ${edit.at ?? "output"} of layer ${edit.layer}${inStack(edit)}`;
    default:
      return `${edit.type} in layer ${edit.layer ?? "?"}`;
  }
}

/** How many edits there are, in words. */
export function editCount(edits: readonly Edit[]): string {
  return edits.length === 1 ? "1 edit" : `${edits.length} edits`;
}

/** The first few in words, for a caption. */
export function editNote(edits: readonly Edit[]): string | null {
  if (edits.length === 0) return null;
  const most = 4;
  const said = edits
    .slice(0, most)
    .map((edit) => editWords(edit))
    .join("; ");
  const more = edits.length > most ? `; and ${edits.length - most} more` : "";
  return `Not the model as it is, but with ${editCount(edits)}: ${said}${more}`;
}

/** One edit as Python; what it takes from another trace is named as a trace to open. */
export function editPython(edit: Edit): string {
  const { type, ...fields } = edit;
  const given = Object.entries(fields).map(([name, value]) => `${name}=${python(value)}`);
  return `edits.${type}(${given.join(", ")})`;
}

function python(value: unknown): string {
  if (value === null || value === undefined) return "None";
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "string") return pythonString(value);
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") {
    if ("trace" in value)
      return `attnscope.open(${pythonString(`${String(value.trace).slice(0, 12)}.trace`)})`;
    if ("array" in value) return python(value.array);
  }
  return String(value);
}

/** `“nurse” (token 4)`; without the word where no one stack of the trace has it. */
function tokenWords(
  trace: Pick<TraceMessage, "stacks" | "tokens"> | undefined,
  stack: unknown,
  side: "query" | "key",
  index: unknown,
): string {
  const named = Object.entries(trace?.stacks ?? {}).filter(([name]) => stack == null || name === stack);
  const found = named.length === 1 ? trace?.tokens[named[0][1][side]]?.[Number(index)] : undefined;
  return found === undefined ? `token ${index}` : `“${word(found)}” (token ${index})`;
}

function inStack({ stack }: Edit): string {
  return stack == null ? "" : ` of the ${stack === "cross" ? "cross-attention" : stack}`;
}

function number(value: unknown): string {
  return typeof value === "number" ? String(Number(value.toPrecision(4))).replace("-", "−") : String(value);
}

function several(dims: unknown): string {
  const all = Array.isArray(dims) ? dims : [dims];
  if (all.length > 6) return `${all.length} dimensions`;
  return `${all.length === 1 ? "dimension" : "dimensions"} ${all.join(", ")}`;
}

function reference(of: unknown): string {
  if (Array.isArray(of)) return of.length === 1 ? reference(of[0]) : `${of.length} other traces`;
  if (typeof of === "object" && of !== null && "trace" in of) return `trace ${String(of.trace).slice(0, 12)}`;
  return "given numbers";
}
