/** The address of the shown state: a readable URL hash, so that a reload or a shared link shows the same thing. */

import type { ChatMessage } from "../wire/messages";
import { readChanges, writeChanges } from "./changeText";
import {
  type AppState,
  type Change,
  type Comparison,
  currentPass,
  EMPTY,
  FIELDS,
  type Field,
  type Frame,
  headsOn,
  neuronHead,
  ORDERS,
  type Order,
  PALETTES,
  type Palette,
  PICTURES,
  type Pictures,
  type Place,
  SCALES,
  type Scale,
  type SentenceFilter,
  SIDES,
  SINKS,
  type SideName,
  type Sinks,
  type Theme,
  type ViewSettings,
} from "./state";

/** `token` selects a query; `query` and `key` pin an edge. */
export interface NamedTokens {
  readonly token: string | null;
  readonly query: string | null;
  readonly key: string | null;
}

export interface Address {
  readonly trace: string | null;
  readonly model: string | null;
  readonly text: string | null;
  readonly pair: string | null;
  readonly target: string | null;
  /** A chat instead of the text. */
  readonly messages: readonly ChatMessage[] | null;
  /** Whether the chat ends within its last message. */
  readonly continues: boolean;
  readonly stack: string;
  readonly layer: number;
  readonly heads: readonly number[];
  readonly head: number | null;
  readonly token: Place | null;
  /** Tokens named by words, spans or plain indices; which they are is known once the trace is there. */
  readonly named: NamedTokens;
  readonly pins: readonly Place[];
  readonly neuron: number | null;
  /** The changes that are wanted; null if the address names none, and they are those of its trace. */
  readonly changes: readonly Change[] | null;
  /** What the pass is compared with: `unchanged`, the id of a trace, `prompt:` with a text, `model:` with a name. */
  readonly baseline: string | null;
  readonly field: Field;
  readonly view: ViewSettings;
  readonly frame: Frame;
}

type Part = readonly [name: string, value: string];

/** The hash of a state, without the leading `#`. Default values are omitted, so the hash of an empty state is empty. */
export function writeHash(state: AppState): string {
  return written([...inputFields(state), ...comparisonFields(state), ...viewFields(state)]);
}

/** The part of the hash that describes the view, without the trace and its input: an exported file has its own. */
export function writeView(state: AppState): string {
  const { comparison, field } = state;
  return written([...viewFields(state), ...(comparison === null ? [] : ([["field", field]] as const))]);
}

function written(fields: readonly Part[]): string {
  return fields.map(([name, value]) => `${name}=${encode(value)}`).join("&");
}

/** Collects fields. `put` omits missing values and the fallback. */
function collector() {
  const fields: Part[] = [];
  const put = (name: string, value: string | null | undefined, fallback: string | null = null): void => {
    if (value !== null && value !== undefined && value !== fallback) fields.push([name, value]);
  };
  return { fields, put };
}

/** The trace, its model and its input. */
function inputFields(state: AppState): readonly Part[] {
  const trace = currentPass(state);
  const { fields, put } = collector();
  if (trace === null) return fields;
  put("model", trace.model.name);
  // A trace without its model cannot be run again, so its text would only make the address longer.
  if (trace.model.name !== null) {
    const { text, pair, target, messages, continue_final_message } = trace.input;
    put("text", text);
    put("pair", pair);
    put("target", target);
    if (messages !== undefined) put("messages", JSON.stringify(messages));
    if (continue_final_message === true) put("continues", "1");
  }
  put("trace", trace.trace);
  return fields;
}

/** The changes, and what they are compared with. */
function comparisonFields({ changes, comparison, field }: AppState): readonly Part[] {
  const { fields, put } = collector();
  if (changes.length > 0) put("edits", writeChanges(changes));
  if (comparison !== null) {
    put("baseline", baselineName(comparison));
    put("field", field, EMPTY.field);
  }
  return fields;
}

/** The name of a baseline in an address. */
export function baselineName({ kind, baseline }: Comparison): string {
  const { text, messages } = baseline.input;
  if (kind === "unchanged") return "unchanged";
  if (kind === "model" && baseline.model.name !== null) return `model:${baseline.model.name}`;
  const plain = text !== null && messages === undefined && (baseline.edits ?? []).length === 0;
  return kind === "prompt" && plain ? `prompt:${text}` : baseline.trace;
}

/** The selection, the pins, the settings and the arrangement of the panels. */
function viewFields(state: AppState): readonly Part[] {
  const { trace, selection, view, pins, frame } = state;
  const { fields, put } = collector();
  if (trace !== null) {
    if (Object.keys(trace.stacks).length > 1) put("stack", selection.stack);
    put("layer", String(selection.layer));
    const heads = headsOn(state);
    const all = trace.stacks[selection.stack]?.shapes[selection.layer]?.heads ?? 0;
    if (heads.length < all) put("heads", heads.join(","));
    if (neuronHead(state) !== heads[0]) put("head", String(neuronHead(state)));
    if (selection.token !== null) put("token", writePlace(selection.token));
    if (pins.length > 0) put("pins", pins.map(writePlace).join(","));
    if (selection.neuron !== null) put("neuron", String(selection.neuron));
  }
  put("filter", view.filter, EMPTY.view.filter);
  put("scale", view.scale, EMPTY.view.scale);
  put("sinks", view.sinks, EMPTY.view.sinks);
  put("theme", view.theme, EMPTY.view.theme);
  put("thumbnails", view.thumbnails, EMPTY.view.thumbnails);
  put("neurons", view.neurons, EMPTY.view.neurons);
  put("order", view.order, EMPTY.view.order);
  put("palette", view.palette, EMPTY.view.palette);
  put("values", view.values, EMPTY.view.values);
  put("orientation", view.orientation, EMPTY.view.orientation);
  put("pictures", view.pictures, EMPTY.view.pictures);
  put("threshold", String(view.threshold), String(EMPTY.view.threshold));
  put("top", view.top === null ? null : String(view.top));
  put("measure", view.measure);
  put("measured", view.measured, EMPTY.view.measured);
  put("tint", view.tint, EMPTY.view.tint);
  put("sort", view.sort, EMPTY.view.sort);
  if (view.range.some((bound) => bound !== null)) put("range", view.range.map((b) => b ?? "").join(","));
  put("at", frame.at, EMPTY.frame.at);
  put("whole", frame.whole, EMPTY.frame.whole);
  put("side", frame.side, EMPTY.frame.side);
  if (frame.camera !== null) {
    const { x, y, zoom } = frame.camera;
    put("camera", [x, y, zoom].map((part) => String(Number(part.toPrecision(5)))).join(","));
  }
  const { model, head } = frame.widths;
  if (model !== null || head !== null) put("widths", `${model ?? ""},${head ?? ""}`);
  return fields;
}

/** Old spellings, which addresses that people saved may have. */
const RESPELLED = [
  ["sinks", "renormalised", "renormalized"],
  ["palette", "grey", "gray"],
  ["measure", "normalised_entropy", "normalized_entropy"],
] as const;

/** Parses a hash; invalid parts are ignored. */
export function readHash(hash: string): Address {
  const fields = new URLSearchParams(hash.replace(/^#/, ""));
  for (const [name, old, now] of RESPELLED) if (fields.get(name) === old) fields.set(name, now);
  const oneOf = <T extends string>(name: string, allowed: readonly T[], fallback: T): T => {
    const value = fields.get(name) as T | null;
    return value !== null && allowed.includes(value) ? value : fallback;
  };
  const heads = (fields.get("heads") ?? "").split(",").filter((part) => /^\d{1,4}$/.test(part));
  const whole = (text: string | null | undefined, digits = 5): number | null =>
    /^\d+$/.test(text ?? "") && (text as string).length <= digits ? Number(text) : null;
  const widths = (fields.get("widths") ?? "").split(",");
  const numbers = (name: string): readonly (number | null)[] =>
    (fields.get(name) ?? "").split(",").map((part) => {
      const value = Number(part);
      return part === "" || !Number.isFinite(value) ? null : value;
    });
  const [threshold] = numbers("threshold");
  const range = numbers("range");
  const [x, y, zoom] = numbers("camera");
  const top = whole(fields.get("top"));
  return {
    trace: fields.get("trace"),
    model: fields.get("model"),
    text: fields.get("text"),
    pair: fields.get("pair"),
    target: fields.get("target"),
    messages: readChat(fields.get("messages")),
    continues: fields.get("continues") === "1",
    stack: fields.get("stack") ?? "",
    layer: whole(fields.get("layer")) ?? 0,
    heads: [...new Set(heads.map(Number))].sort((a, b) => a - b),
    head: whole(fields.get("head"), 4),
    token: readPlaces(fields.get("token"))[0] ?? null,
    named: {
      token: isPlace(fields.get("token")) ? null : fields.get("token") || null,
      query: fields.get("query") || null,
      key: fields.get("key") || null,
    },
    pins: readPlaces(fields.get("pins")),
    neuron: whole(fields.get("neuron")),
    changes: readChanges(fields.get("edits")),
    baseline: fields.get("baseline") || null,
    field: oneOf<Field>("field", FIELDS, EMPTY.field),
    view: {
      filter: oneOf<SentenceFilter>("filter", ["all", "AA", "AB", "BA", "BB"], EMPTY.view.filter),
      scale: oneOf<Scale>("scale", SCALES, EMPTY.view.scale),
      sinks: oneOf<Sinks>("sinks", SINKS, EMPTY.view.sinks),
      palette: oneOf<Palette>("palette", PALETTES, EMPTY.view.palette),
      theme: oneOf<Theme>("theme", ["auto", "light", "dark"], EMPTY.view.theme),
      thumbnails: oneOf("thumbnails", ["auto", "lines", "map"], EMPTY.view.thumbnails),
      neurons: oneOf("neurons", ["open", "closed"], EMPTY.view.neurons),
      order: oneOf<Order>("order", ORDERS, EMPTY.view.order),
      values: oneOf("values", ["shown", "hidden"], EMPTY.view.values),
      orientation: oneOf("orientation", ["columns", "rows"], EMPTY.view.orientation),
      pictures: oneOf<Pictures>("pictures", PICTURES, EMPTY.view.pictures),
      threshold: Math.max(0, Math.min(1, threshold ?? 0)),
      top: top === 0 ? null : top,
      measure: /^[\w -]{1,60}$/.test(fields.get("measure") ?? "") ? fields.get("measure") : null,
      measured: oneOf("measured", ["all", "off-sink"], EMPTY.view.measured),
      tint: oneOf("tint", ["on", "off"], EMPTY.view.tint),
      sort: oneOf("sort", ["none", "heads", "layers", "ranking"], EMPTY.view.sort),
      range: [range[0] ?? null, range[1] ?? null],
    },
    frame: {
      at: oneOf("at", ["model", "head", "side"], EMPTY.frame.at),
      whole: oneOf("whole", ["all", "one"], EMPTY.frame.whole),
      side: oneOf<SideName>("side", SIDES, EMPTY.frame.side),
      camera: x != null && y != null && zoom != null && zoom > 0 ? { x, y, zoom } : null,
      widths: { model: whole(widths[0], 4), head: whole(widths[1], 4) },
    },
  };
}

/** The state that an address describes, before its trace has arrived. */
export function applyAddress(state: AppState, address: Address): AppState {
  const { stack, layer, heads, head, token, neuron, pins, view, frame } = address;
  return {
    ...state,
    selection: { stack: stack || state.selection.stack, layer, heads, head, token, neuron },
    pins,
    view,
    frame,
  };
}

/** Parses the messages of a chat; null if invalid. */
function readChat(text: string | null): readonly ChatMessage[] | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    if (!Array.isArray(value) || value.length === 0) return null;
    const turns = value.map((turn) => ({ role: turn?.role, content: turn?.content }));
    return turns.every(({ role, content }) => typeof role === "string" && typeof content === "string")
      ? turns
      : null;
  } catch {
    return null;
  }
}

function writePlace({ side, index }: Place): string {
  return `${side === "query" ? "q" : "k"}${index}`;
}

function isPlace(text: string | null): boolean {
  return /^[qk]\d{1,6}$/.test(text ?? "");
}

function readPlaces(text: string | null): readonly Place[] {
  const parts = (text ?? "").split(",").filter(isPlace);
  return parts.map((part) => ({ side: part[0] === "q" ? "query" : "key", index: Number(part.slice(1)) }));
}

/** Percent-encodes a value but keeps it readable: common punctuation stays, a space becomes `+`. */
function encode(value: string): string {
  return encodeURIComponent(value.toWellFormed())
    .replace(/%20/g, "+")
    .replace(/%2C/g, ",")
    .replace(/%3F/g, "?")
    .replace(/%3A/g, ":")
    .replace(/%2F/g, "/");
}
