/** The edits of a forward pass, in words and as Python. Pure. */

import { edits as words } from "../marks/appearance";
import { counted, significant, word } from "../marks/format";
import type { Edit, TraceMessage } from "../wire/messages";
import { pythonString } from "./pythonString";

type Named = Pick<TraceMessage, "stacks" | "tokens">;

/** Describes one edit as a phrase. With a trace, tokens are named by their words. */
export function editWords(edit: Edit, trace?: Named): string {
  const worded: Record<string, string> = { ...DEFAULTS, place: place(edit) };
  for (const [name, value] of Object.entries(edit)) {
    if (value != null) worded[name] = FIELDS[name]?.(value, { edit, trace }) ?? String(value);
  }
  return filled(templateOf(edit), worded);
}

/** The number of edits: `2 edits`. */
export function editCount(edits: readonly Edit[]): string {
  return counted(edits.length, "edit");
}

/** Describes the first few edits for a caption; null if there are none. */
export function editNote(edits: readonly Edit[]): string | null {
  if (edits.length === 0) return null;
  const { template, most } = words.sentences.svg;
  const described = edits
    .slice(0, most)
    .map((edit) => editWords(edit))
    .join(words.list.between);
  const further = edits.length - most;
  const more = further > 0 ? filled(words.list.more, { count: further.toLocaleString("en") }) : "";
  return filled(template, { count: editCount(edits), edits: described + more });
}

/** One edit as Python code. A reference to another trace becomes a call that opens it. */
export function editPython(edit: Edit): string {
  const { type, ...fields } = edit;
  const call = Object.entries(fields).map(([name, value]) => `${name}=${python(value)}`);
  return `edits.${type}(${call.join(", ")})`;
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

interface Context {
  readonly edit: Edit;
  readonly trace: Named | undefined;
}

const DEFAULTS: Readonly<Record<string, string>> = { ...words.defaults, position: words.token.every };

/** How fields are worded; others appear unchanged. */
const FIELDS: Readonly<Record<string, (value: unknown, context: Context) => string>> = {
  ...{ factor: number, weight: number, dims, reference, source: reference },
  query: (index, { edit, trace }) => token(trace, edit.stack, "query", index),
  key: (index, { edit, trace }) => token(trace, edit.stack, "key", index),
  position: (index, { edit, trace }) =>
    token(trace, edit.stack, edit.vector === "k" || edit.vector === "v" ? "key" : "query", index),
  source_position: (index) => token(undefined, undefined, "query", index),
};

function templateOf(edit: Edit): string {
  const { type } = edit;
  if (type === "ScaleHead" && edit.factor === 0) return words.off;
  if (!Object.hasOwn(words.kinds, type)) return words.unknown;
  const template = words.kinds[type as keyof typeof words.kinds];
  const { kinds, at, there } = words.positioned;
  if (!kinds.includes(type) || edit.position == null) return template;
  return template + at + (edit.source_position == null ? "" : there);
}

/** Fills in the fields of a template. */
function filled(template: string, fields: Readonly<Record<string, string>>): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) => fields[name] ?? whole);
}

/** Names a head or a layer, with its stack if there is one: `head 5.3`, `layer 2`. */
function place({ layer, head, stack }: Edit): string {
  const named = { layer: String(layer ?? words.defaults.layer), head: String(head) };
  const found = filled(head == null ? words.place.layer : words.place.head, named);
  if (stack == null) return found;
  const stacks: Readonly<Record<string, string>> = words.stacks;
  return filled(words.place.in_stack, { place: found, stack: stacks[String(stack)] ?? String(stack) });
}

/** Names a token: `“nurse” (token 4)`, or without the word if the stack is ambiguous. */
function token(trace: Named | undefined, stack: unknown, side: "query" | "key", index: unknown): string {
  if (typeof index === "string") return filled(words.token.word, { word: index });
  if (Array.isArray(index)) {
    const [first, second] = index;
    if (index.length === 2 && typeof first === "string")
      return filled(words.token.occurrence, { word: first, number: String(second) });
    return filled(words.token.several, { indices: index.slice(0, words.token.most_listed).join(", ") });
  }
  const named = Object.entries(trace?.stacks ?? {}).filter(([name]) => stack == null || name === stack);
  const found = named.length === 1 ? trace?.tokens[named[0][1][side]]?.[Number(index)] : undefined;
  return found === undefined
    ? filled(words.token.number, { index: String(index) })
    : filled(words.token.named, { index: String(index), word: word(found) });
}

function number(value: unknown): string {
  return typeof value === "number" ? significant(value) : String(value);
}

function dims(value: unknown): string {
  const all = Array.isArray(value) ? value : [value];
  const { one, several, many, most_listed } = words.dims;
  if (all.length > most_listed) return filled(many, { count: String(all.length) });
  return filled(all.length === 1 ? one : several, { listed: all.join(", ") });
}

function reference(value: unknown): string {
  const { trace, traces, numbers, id_length } = words.reference;
  if (Array.isArray(value))
    return value.length === 1 ? reference(value[0]) : filled(traces, { count: String(value.length) });
  if (typeof value === "object" && value !== null && "trace" in value)
    return filled(trace, { id: String(value.trace).slice(0, id_length) });
  return numbers;
}
