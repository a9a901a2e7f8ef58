/** The messages of docs/reference/wire.md as types, and the one place where bytes become one of them. */

import { DamagedError, decode, type Tensor } from "./safetensors";

export const VERSION = 1;

export interface Request {
  readonly type:
    | "hello"
    | "run"
    | "trace"
    | "overview"
    | "layer"
    | "tile"
    | "values"
    | "edge"
    | "check"
    | "export"
    | "cancel";
  /** The bytes of a picture's file, sent as a tensor. */
  readonly image?: Uint8Array;
  readonly [field: string]: unknown;
}

export interface ModelEntry {
  readonly name: string;
  readonly title: string;
  readonly kind: "decoder" | "encoder" | "encoder-decoder";
  readonly loaded: boolean;
  /** Whether it takes messages of a chat; not known before it is loaded. */
  readonly chat?: boolean | null;
  /** What it reads; null as long as it is not loaded. */
  readonly takes?: readonly ("text" | "image")[] | null;
}

/** One turn of a chat. */
export interface ChatMessage {
  readonly role: string;
  readonly content: string;
}

export interface Example {
  readonly title: string;
  readonly figure: string | null;
  readonly model: string | null;
  readonly text: string;
  readonly pair: string | null;
  readonly target?: string | null;
  /** What is selected of it at first; null where nothing is in particular. */
  readonly layer?: number | null;
  readonly heads?: readonly number[] | null;
}

export interface Token {
  readonly text: string;
  readonly id: number;
  readonly special: boolean;
  readonly sentence: "A" | "B" | null;
  readonly continues: boolean;
  readonly raw: boolean;
  /** Of which chat message it is; what a template adds has none. */
  readonly role?: string | null;
  /** What it stands for, where it does not say: the word behind an unknown token, the character that a byte is part of. */
  readonly given?: string | null;
  /** Of a patch: where it is in its picture (x0, y0, x1, y1), pixels. */
  readonly box?: Box | null;
  /** The picture that it is of: an index of `images`. */
  readonly image?: number | null;
}

export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** A picture as the model saw it; its bytes are the tensor `image_0` (…) of the trace. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** A number that is known of every head, as docs/reference/wire.md describes it; the sentences are for a person. */
export interface Measure {
  readonly name: string;
  readonly title: string;
  /** "", "nats", "tokens" … */
  readonly unit: string;
  /** The values that are possible; null where there is no bound. */
  readonly range: readonly [number | null, number | null];
  readonly sentence: string;
}

export interface LayerShape {
  readonly heads: number;
  readonly kv_heads: number;
  readonly qk_dim: number;
  readonly v_dim: number;
}

export interface Stack {
  readonly layers: number;
  readonly heads: number;
  readonly kv_heads: number;
  readonly head_dim: number;
  readonly causal: boolean;
  readonly query: string;
  readonly key: string;
  readonly shapes: readonly (LayerShape | null)[];
  /** Layers with attention that an exported file lacks; their shapes are null. */
  readonly left_out?: readonly number[];
  /** How q and k are turned by position, by layer where layers differ; null where they are not, or nobody knows how. */
  readonly rotary?: Rotary | readonly (Rotary | null)[] | null;
}

/** Pairs of dimensions of q and k that turn with the position (RoPE). */
export interface Rotary {
  /** The two dimensions of each pair. */
  readonly pairs: readonly (readonly [number, number])[];
  /** Tokens in one turn of each pair. */
  readonly wavelengths: readonly number[];
}

export interface LayerCertificate {
  readonly layer: number;
  readonly ok: boolean;
  readonly weighted_values: number | null;
  readonly hidden_states: number | null;
  readonly eager_weights: number | null;
  readonly note: string | null;
}

export interface Certificate {
  readonly ok: boolean;
  readonly max_error: number | null;
  readonly tolerance: number | null;
  readonly scope: "sampled" | "full";
  readonly sentence: string;
  readonly stacks: Readonly<Record<string, readonly LayerCertificate[]>>;
}

interface Base {
  readonly v: number;
  readonly id: string;
  readonly last: boolean;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

export interface HelloMessage extends Base {
  readonly type: "hello";
  readonly version: string;
  readonly models: readonly ModelEntry[];
  readonly model: string | null;
  /** A saved trace to show at once. */
  readonly trace?: string | null;
  readonly examples: readonly Example[];
  readonly can: readonly string[];
  readonly limits: {
    readonly image_bytes?: number;
    readonly tokens: number;
    readonly characters: number;
  };
  /** In an exported file: the largest difference of a weight in it from the exact one. */
  readonly file?: { readonly error: number };
  /** The measures whose values come with `overview`. */
  readonly measures?: readonly Measure[];
}

export interface ProgressMessage extends Base {
  readonly type: "progress";
  readonly stage: string;
  readonly done: number;
  readonly total: number;
  readonly text: string;
}

export interface TraceMessage extends Base {
  readonly type: "trace";
  readonly trace: string;
  readonly model: {
    /** What `run` calls it; null for a trace that came without its model. */
    readonly name: string | null;
    readonly title: string | null;
    readonly kind: string;
    readonly dtype: string | null;
    readonly quantization: string | null;
    readonly parameters: number | null;
  };
  readonly input: {
    readonly text: string | null;
    readonly pair: string | null;
    /** What the decoder of an encoder-decoder model was given to read; null for its own output. */
    readonly target?: string | null;
    /** The messages of a chat, of which `text` is what the template made. */
    readonly messages?: readonly ChatMessage[];
  };
  readonly tokens: Readonly<Record<string, readonly Token[]>>;
  readonly stacks: Readonly<Record<string, Stack>>;
  /** What was changed in the pass, in order; each has a `type` and its fields. */
  readonly edits?: readonly Edit[];
  readonly images?: readonly ImageSize[];
  readonly warnings: readonly string[];
  readonly certificate: Certificate | null;
  readonly next:
    | readonly { readonly text: string; readonly id: number; readonly probability: number }[]
    | null;
  /** What the model predicts besides: masked tokens, labels, answers. */
  readonly predictions?: readonly Prediction[];
}

/** A change made in a pass, as docs/reference/wire.md writes it. */
export interface Edit {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Prediction {
  readonly of: "token" | "label" | "token_label" | "start" | "end" | "answer";
  /** The token that it is of; null for the whole input. */
  readonly position: number | null;
  /** Whether one choice rules out the others. */
  readonly exclusive: boolean;
  readonly choices: readonly {
    readonly text: string;
    readonly id: number;
    readonly probability: number | null;
    readonly value: number;
    readonly last: number | null;
  }[];
}

export interface OverviewMessage extends Base {
  readonly type: "overview";
  readonly trace: string;
  readonly stack: string;
  readonly layer: number;
  readonly heads: number;
  readonly rows: number;
  readonly columns: number;
  /** Queries and keys in one cell. */
  readonly pooled: readonly [number, number];
  /** The first query and key of the part that the thumbnails show, and the ones after its last. */
  readonly part?: { readonly queries: readonly [number, number]; readonly keys: readonly [number, number] };
  /** The names of the measures in the tensors `measures` and `measures_off_sink`, both [measure, heads]. */
  readonly measures?: readonly string[];
}

export interface LayerMessage extends Base {
  readonly type: "layer";
  readonly trace: string;
  readonly stack: string;
  readonly layer: number;
  readonly form: "qk" | "weights";
  readonly heads: number;
  readonly kv_heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly qk_dim: number;
  readonly scaling: number;
  readonly softcap: number | null;
  readonly bias: { readonly kind: "relative" | "key" | "dense" } | null;
  readonly mask: { readonly kind: string; readonly window?: number };
  readonly error: number;
  readonly sinks: boolean;
  /** The largest difference of a q · k from the exact one, where it was measured. */
  readonly dot_error?: number;
  /** In an exported file: the tensors that lie packed (wire/packed.ts). */
  readonly packed?: readonly string[];
  /** Packed weights: only those on and under the diagonal are there. */
  readonly triangle?: boolean;
}

export interface TileMessage extends Base {
  readonly type: "tile";
  readonly trace: string;
  readonly stack: string;
  readonly layer: number;
  readonly heads: readonly number[];
  readonly rows: readonly number[];
}

/** The value side of a layer: the tensors `v`, and where W_O is known `output_norm` and `transformed_norm`. */
export interface ValuesMessage extends Base {
  readonly type: "values";
  readonly trace: string;
  readonly stack: string;
  readonly layer: number;
  readonly heads: number;
  readonly kv_heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly v_dim: number;
  /** The largest relative difference of a v from the exact one. */
  readonly error: number;
  /** Why there are no norms of outputs; null where there are. */
  readonly note: string | null;
}

/** One edge in all heads: tensors over these, in the model's order (docs/reference/wire.md). */
export interface EdgeMessage extends Base {
  readonly type: "edge";
  readonly trace: string;
  readonly stack: string;
  readonly query: number;
  readonly key: number;
}

export interface CheckMessage extends Base {
  readonly type: "check";
  readonly trace: string;
  readonly certificate: Certificate;
}

/** A page of its own of a trace: the tensor `html`, its bytes. */
export interface ExportMessage extends Base {
  readonly type: "export";
  readonly trace: string;
}

export interface CancelMessage extends Base {
  readonly type: "cancel";
  readonly found: boolean;
}

export interface ErrorMessage extends Base {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  /** Of a text that is too long: the tokens that it may be cut to. */
  readonly fits?: number | null;
}

export type Message =
  | HelloMessage
  | ProgressMessage
  | TraceMessage
  | OverviewMessage
  | LayerMessage
  | TileMessage
  | ValuesMessage
  | EdgeMessage
  | CheckMessage
  | ExportMessage
  | CancelMessage
  | ErrorMessage;

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  hello: ["models", "examples", "can", "limits"],
  progress: ["done", "total"],
  trace: ["trace", "model", "input", "tokens", "stacks"],
  overview: ["trace", "stack", "layer", "heads", "rows", "columns", "pooled"],
  layer: ["trace", "stack", "layer", "form", "heads", "queries", "keys", "mask", "error"],
  tile: ["trace", "stack", "layer", "heads", "rows"],
  values: ["trace", "stack", "layer", "heads", "kv_heads", "queries", "keys", "v_dim", "error"],
  edge: ["trace", "stack", "query", "key"],
  check: ["certificate"],
  export: ["trace"],
  cancel: ["found"],
  error: ["code", "message"],
};

/** The message in `bytes`. Throws `DamagedError` where they are no whole message of this version. */
export function readMessage(bytes: Uint8Array): Message {
  const { fields, tensors } = decode(bytes);
  if (fields.v !== VERSION) {
    throw new DamagedError(
      `This page speaks version ${VERSION} of the messages; got version ${String(fields.v)}.`,
    );
  }
  const needed = typeof fields.type === "string" ? NEEDED[fields.type] : undefined;
  if (needed === undefined)
    throw new DamagedError(`This page knows no message of the type ${String(fields.type)}.`);
  const missing = needed.find((name) => !(name in fields));
  if (missing !== undefined)
    throw new DamagedError(`A ${String(fields.type)} message came without ${missing}.`);
  return { ...fields, last: fields.last === true, tensors } as unknown as Message;
}
