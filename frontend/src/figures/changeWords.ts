/** A change in few words, for a line or a row of a list. Pure. */

import { headName, significant, word } from "../marks/format";
import { stageOf } from "../state/changes";
import type { Edit, Token, TraceMessage } from "../wire/messages";

type Named = Pick<TraceMessage, "stacks" | "tokens">;

export interface ChangeWords {
  /** Which head or layer: `23.3`. */
  readonly place: string;
  /** What of it: `to → Mary`; empty for the whole output. */
  readonly what: string;
  /** The kind of number that is changed: `weight`, `output` … */
  readonly kind: string;
  /** What is done to it: `× .50`, `= .90`, `cut`. */
  readonly value: string;
}

/** The words of an edit. With a trace, tokens are named by their words. */
export function changeWords(edit: Edit, trace?: Named): ChangeWords {
  return { place: placeOf(edit), ...wordsOf(edit, tokensOf(edit, trace)) };
}

/** An edit in one short phrase: `23.3 to → Mary = .90`. */
export function changePhrase(edit: Edit, trace?: Named, over: "head" | "layer" | "all" = "head"): string {
  const { what, kind, value } = changeWords(edit, trace);
  const own = what === "" ? kind : what;
  return `${overPlace(edit, over)} ${own} ${value}`;
}

/** Which heads a row of changes is about: `23.3`, `layer 23`, `all heads`. */
export function overPlace(edit: Edit, over: "head" | "layer" | "all"): string {
  if (over === "head") return placeOf(edit);
  return over === "layer" ? `layer ${edit.layer}` : "all heads";
}

/** A factor: `off`, `× .50`, `× 1`. */
export function factorText(factor: number): string {
  return factor === 0 ? "off" : `× ${shortNumber(factor)}`;
}

/** Two decimals without the zero before the point; whole numbers without decimals: `.50`, `1`, `1.25`. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value)) return significant(value);
  const text = Math.abs(value) < 0.005 ? significant(value, 1) : value.toFixed(2);
  return text.replace(/^(-?)0\./, "$1.").replace("-", "−");
}

interface Sides {
  readonly query: readonly Token[];
  readonly key: readonly Token[];
}

function wordsOf(edit: Edit, sides: Sides): Omit<ChangeWords, "place"> {
  const { type, query, key, position, dims, vector, factor, weight, what } = edit;
  switch (type) {
    case "CutEdge":
      if (Array.isArray(query)) return { what: tokenName(key, sides.key), kind: "key", value: "hidden" };
      return { what: line(query, key, sides), kind: "weight", value: "cut" };
    case "SetAttention":
      return { what: line(query, key, sides), kind: "weight", value: `= ${shortNumber(Number(weight))}` };
    case "ScaleNeuron": {
      const side = vector === "k" || vector === "v" ? sides.key : sides.query;
      const at = position == null ? "" : ` of ${tokenName(position, side)}`;
      return {
        what: `${vector ?? "q"} ${dimensions(dims)}${at}`,
        kind: Array.isArray(dims) && dims.length > 1 ? "neurons" : "neuron",
        value: factorText(Number(factor)),
      };
    }
    case "ScaleHead":
      return { what: "", kind: "output", value: factorText(Number(factor)) };
    case "MeanHead":
      return { what: "", kind: "output", value: "mean" };
    case "ResampleHead":
      return { what: "", kind: "output", value: "resampled" };
    case "PatchHead": {
      const at = position == null ? "" : `of ${tokenName(position, sides.query)}`;
      return { what: at, kind: what === "output" ? "output" : "attention", value: "patched" };
    }
    case "AddVector":
      return { what: "", kind: `vector at the ${edit.at ?? "output"}`, value: "added" };
    default:
      return { what: "", kind: stageOf(edit), value: type };
  }
}

function placeOf({ layer, head, stack }: Edit): string {
  const place = head == null ? `layer ${layer}` : headName(Number(layer), Number(head));
  return stack == null ? place : `${stack} ${place}`;
}

function line(query: unknown, key: unknown, sides: Sides): string {
  return `${tokenName(query, sides.query)} → ${tokenName(key, sides.key)}`;
}

/** Names a position: a token by its word, several by their number. */
function tokenName(position: unknown, tokens: readonly Token[]): string {
  if (typeof position === "string") return position;
  if (Array.isArray(position)) {
    const [first, number] = position;
    if (position.length === 2 && typeof first === "string") return `${first} (${number})`;
    if (position.length === 1) return tokenName(first, tokens);
    return `${position.length} tokens`;
  }
  const token = tokens[Number(position)];
  return token === undefined ? `token ${position}` : word(token).trim();
}

/** `10 · 42`, `10`, `32 dimensions`. */
function dimensions(dims: unknown): string {
  const all = Array.isArray(dims) ? dims : [dims];
  return all.length > 4 ? `${all.length} dimensions` : all.join(" · ");
}

function tokensOf({ stack }: Edit, trace: Named | undefined): Sides {
  const found = trace?.stacks[String(stack ?? Object.keys(trace.stacks)[0])];
  const side = (name: string | undefined) => (name === undefined ? [] : (trace?.tokens[name] ?? []));
  return { query: side(found?.query), key: side(found?.key) };
}
