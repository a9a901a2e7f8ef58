/** What the fields of each message must be (docs/reference/wire.md), beyond their types in messages.ts. */

import {
  anything,
  type Check,
  count,
  ifThere,
  integer,
  list,
  number,
  object,
  oneOf,
  optional,
  orNull,
  record,
  size,
  text,
  truth,
} from "./checks";
import { DamagedError } from "./safetensors";

const LONGEST_NAME = 40;

const index: Check = count;
const part = list(count, 2);

const place = { trace: text, stack: text, layer: index };

const token = object({
  text,
  id: integer(-1),
  special: truth,
  sentence: optional(oneOf("A", "B")),
  continues: truth,
  raw: truth,
  role: optional(text),
  given: optional(text),
  box: optional(list(count, 4)),
  image: optional(index),
  padding: ifThere(truth),
});

const rotary = object({ pairs: list(part), wavelengths: list(number) });

const stack = object({
  layers: size,
  heads: count,
  kv_heads: count,
  head_dim: count,
  causal: truth,
  query: text,
  key: text,
  shapes: list(orNull(object({ heads: size, kv_heads: size, qk_dim: count, v_dim: count }))),
  left_out: ifThere(list(index)),
  rotary: optional((value, at) =>
    Array.isArray(value) ? list(orNull(rotary))(value, at) : rotary(value, at),
  ),
  changes: ifThere(
    object({
      head: orNull(text),
      line: orNull(text),
      weight: orNull(text),
      neuron: orNull(text),
      pair: orNull(text),
    }),
  ),
});

const likely = object({ text, id: integer(-1), probability: number });

const step = { token, probability: number, rank: size, top: list(likely) };

const generation = object({
  text,
  stopped: oneOf("length", "end", "stop"),
  prompt: count,
  steps: list(object(step)),
  max_new_tokens: count,
  sampling: orNull(record(anything)),
  stop: list(text),
});

const certificate = object({
  ok: truth,
  max_error: orNull(number),
  tolerance: orNull(number),
  scope: oneOf("sampled", "full"),
  sentence: text,
  recorded: ifThere(truth),
  stacks: record(
    list(
      object({
        layer: index,
        ok: truth,
        weighted_values: orNull(number),
        hidden_states: orNull(number),
        eager_weights: orNull(number),
        note: orNull(text),
      }),
    ),
  ),
});

const prediction = object({
  of: oneOf("token", "label", "token_label", "start", "end", "answer"),
  position: orNull(index),
  exclusive: truth,
  choices: list(
    object({ text, id: integer(-1), probability: orNull(number), value: number, last: optional(index) }),
  ),
});

const likelihood = object({ probability: orNull(number), rank: size, value: orNull(number) });

const measured = object({ text, id: integer(-1) });

const metric = object({
  name: text,
  formula: text,
  answer: measured,
  foil: orNull(measured),
  before: orNull(number),
  after: orNull(number),
  error: number,
});

const over = oneOf("heads", "keys", "pairs", "vectors");

const model = object({ name: text, title: text, kind: text, loaded: truth, takes: optional(list(text)) });

const example = object({
  title: text,
  text,
  figure: optional(text),
  model: optional(text),
  pair: optional(text),
  target: optional(text),
  layer: optional(index),
  heads: optional(list(index)),
  query: optional(text),
  view: ifThere(oneOf("head", "model", "neuron")),
});

const measure = object({
  name: text,
  title: text,
  unit: text,
  range: list(orNull(number), 2),
  sentence: text,
});

const workspace = {
  kind: oneOf("trace", "workspace"),
  traces: list(text),
  current: text,
  baseline: orNull(text),
  edits: list(object({ type: text })),
  trail: list(object({ title: text, address: text })),
  notes: text,
  state: object({}),
};

const FIELDS: ReadonlyMap<unknown, Check> = new Map([
  [
    "hello",
    object({
      models: list(model),
      model: optional(text),
      trace: optional(text),
      workspace: optional(object(workspace)),
      examples: list(example),
      can: list(text),
      limits: object({
        tokens: ifThere(count),
        characters: ifThere(count),
        image_bytes: ifThere(count),
        file_bytes: ifThere(count),
      }),
      file: ifThere(
        object({ error: number, baseline: ifThere(object({ trace: text, shared: record(list(index)) })) }),
      ),
      measures: ifThere(list(measure)),
    }),
  ],
  ["progress", object({ stage: optional(text), done: number, total: number, text: optional(text) })],
  [
    "trace",
    object({
      trace: text,
      model: object({
        name: optional(text),
        title: optional(text),
        kind: text,
        dtype: optional(text),
        quantization: optional(text),
        parameters: optional(number),
      }),
      input: object({
        text: optional(text),
        pair: optional(text),
        target: optional(text),
        messages: ifThere(list(object({ role: text, content: anything }))),
        continue_final_message: ifThere(truth),
      }),
      tokens: record(list(token)),
      stacks: record(stack),
      edits: ifThere(list(object({ type: text }))),
      images: ifThere(list(object({ width: size, height: size }))),
      warnings: ifThere(list(text)),
      certificate: optional(certificate),
      next: optional(list(likely)),
      predictions: ifThere(list(prediction)),
      generation: ifThere(generation),
    }),
  ],
  ["token", object({ index, ...step })],
  [
    "effect",
    object({
      trace: text,
      baseline: text,
      of: oneOf("token", "label", "token_label"),
      position: orNull(index),
      baseline_position: orNull(index),
      tokens: list(object({ text, id: index, before: likelihood, after: likelihood })),
      others: orNull(object({ before: number, after: number })),
      moved: orNull(number),
      metric,
      kinds: list(object({ over, draws: size, all: truth, words: text })),
      no_control: orNull(text),
    }),
  ],
  [
    "control",
    object({
      trace: text,
      over,
      metric: object({ name: text, formula: text, answer: text, foil: orNull(text) }),
      position: index,
      before: orNull(number),
      after: orNull(number),
      total: count,
      where: list(text),
      values: list(orNull(number)),
      tokens: list(list(orNull(number))),
      rank: number,
      among: size,
      sentence: text,
      error: number,
      seed: count,
    }),
  ],
  ["edits", object({ edits: list(object({ python: text, bake: orNull(text) })) })],
  [
    "overview",
    object({
      ...place,
      heads: size,
      rows: count,
      columns: count,
      pooled: list(size, 2),
      part: ifThere(object({ queries: part, keys: part })),
      measures: ifThere(list(text)),
      baseline: ifThere(text),
      unchanged: ifThere(truth),
      largest: ifThere(number),
    }),
  ],
  [
    "align",
    object({
      trace: text,
      baseline: text,
      identical: truth,
      sides: record(list(integer(-1))),
      substituted: list(part),
      stacks: record(object({ layers: count, note: orNull(text), heads: list(count) })),
      notes: list(text),
    }),
  ],
  [
    "layer",
    object({
      ...place,
      form: oneOf("qk", "weights"),
      heads: size,
      kv_heads: ifThere(size),
      queries: count,
      keys: count,
      qk_dim: ifThere(count),
      scaling: optional(number),
      softcap: optional(number),
      bias: optional(object({ kind: oneOf("relative", "key", "dense") })),
      mask: object({ kind: text, window: ifThere(count) }),
      error: number,
      sinks: ifThere(truth),
      dot_error: ifThere(number),
      packed: ifThere(list(oneOf("q", "k", "attention"))),
      triangle: ifThere(truth),
    }),
  ],
  ["tile", object({ ...place, heads: list(index), rows: list(index) })],
  [
    "values",
    object({
      ...place,
      heads: size,
      kv_heads: size,
      queries: count,
      keys: count,
      v_dim: count,
      error: number,
      note: optional(text),
    }),
  ],
  ["edge", object({ trace: text, stack: text, query: index, key: index })],
  ["check", object({ certificate })],
  ["export", object({ trace: text })],
  ["save", object({ name: text })],
  ["open", object(workspace)],
  ["cancel", object({ found: truth })],
  ["error", object({ code: text, message: text, fits: optional(count) })],
]);

/** Checks the type of a message and of all its fields. Throws `DamagedError`. */
export function checkFields(fields: Readonly<Record<string, unknown>>): void {
  const check = FIELDS.get(fields.type);
  if (check === undefined)
    throw new DamagedError(`Unknown message type: ${String(fields.type).slice(0, LONGEST_NAME)}.`);
  check(fields, "");
}
