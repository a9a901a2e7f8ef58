/** A change described in words: which head, which tokens, which number. Pure. */

import type { Edit, TraceMessage } from "../wire/messages";
import { tokensNamed } from "./words";

export type FormKind = "head" | "weight" | "cut" | "neurons";

export interface EditForm {
  readonly kind: FormKind;
  readonly stack: string;
  /** `23.3` */
  readonly head: string;
  /** A word, an index, an occurrence (`the#2`) or a span (`4-5`). */
  readonly query: string;
  readonly key: string;
  /** `10, 42` */
  readonly dims: string;
  readonly vector: "q" | "k" | "v";
  readonly number: string;
}

/** The edit that a form describes. Throws an error whose message is one sentence if it describes none. */
export function editOf(form: EditForm, trace: Pick<TraceMessage, "stacks" | "tokens">): Edit {
  const stack = trace.stacks[form.stack];
  const place = {
    ...headOf(form.head, stack),
    ...(Object.keys(trace.stacks).length > 1 ? { stack: form.stack } : {}),
  };
  if (form.kind === "head") return { type: "ScaleHead", ...place, factor: numberOf(form.number, "factor") };
  if (form.kind === "neurons") {
    const width = stack?.shapes[place.layer]?.[form.vector === "v" ? "v_dim" : "qk_dim"] ?? 0;
    const dims = dimsOf(form.dims, width);
    return {
      type: "ScaleNeuron",
      ...place,
      dims,
      factor: numberOf(form.number, "factor"),
      vector: form.vector,
    };
  }
  const pair = {
    query: tokenOf(form.query, "query", trace, stack?.query),
    key: tokenOf(form.key, "key", trace, stack?.key),
  };
  if (form.kind === "cut") return { type: "CutEdge", ...place, ...pair };
  const weight = numberOf(form.number, "weight");
  if (weight < 0 || weight > 1) throw new Error(`A weight is between 0 and 1; got ${form.number}.`);
  return { type: "SetAttention", ...place, ...pair, weight };
}

function headOf(
  text: string,
  stack: TraceMessage["stacks"][string] | undefined,
): { readonly layer: number; readonly head: number } {
  const found = /^\s*(\d{1,4})\.(\d{1,4})\s*$/.exec(text);
  if (found === null) throw new Error(`Name a head by its layer and number, as 9.4; got "${text.trim()}".`);
  const [layer, head] = [Number(found[1]), Number(found[2])];
  const layers = stack?.layers ?? 0;
  if (layer >= layers)
    throw new Error(`There is no layer ${layer}: the model has layers 0 to ${layers - 1}.`);
  const heads = stack?.shapes[layer]?.heads ?? 0;
  if (head >= heads)
    throw new Error(
      heads === 0
        ? `Layer ${layer} has no attention.`
        : `Layer ${layer} has heads 0 to ${heads - 1}, not ${head}.`,
    );
  return { layer, head };
}

function numberOf(text: string, name: string): number {
  const value = Number(text.trim().replace("−", "-"));
  if (text.trim() === "" || !Number.isFinite(value))
    throw new Error(`The ${name} must be a number; got "${text.trim()}".`);
  return value;
}

function dimsOf(text: string, width: number): readonly number[] {
  const parts = text.split(/[\s,·]+/).filter((part) => part !== "");
  if (parts.length === 0 || !parts.every((part) => /^\d{1,5}$/.test(part)))
    throw new Error(`Name dimensions by their numbers, as 10, 42; got "${text.trim()}".`);
  const dims = [...new Set(parts.map(Number))].sort((a, b) => a - b);
  const wrong = dims.find((dim) => dim >= width);
  if (wrong !== undefined) throw new Error(`There is no dimension ${wrong}: the head has 0 to ${width - 1}.`);
  return dims;
}

function tokenOf(
  text: string,
  name: string,
  trace: Pick<TraceMessage, "tokens">,
  side: string | undefined,
): number | readonly number[] {
  const found = tokensNamed(text, trace.tokens[side ?? ""] ?? [], name);
  if ("sentence" in found) throw new Error(found.sentence);
  return found.length === 1 ? found[0] : [...found];
}
