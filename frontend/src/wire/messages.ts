/** The types of the messages in docs/reference/wire.md. */

import type { Tensor } from "./safetensors";

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
    | "save"
    | "open"
    | "cancel";
  /** The bytes of an image file, sent as a tensor. */
  readonly image?: Uint8Array;
  /** The bytes of a trace file or a workspace file, sent as a tensor. */
  readonly file?: Uint8Array;
  readonly [field: string]: unknown;
}

export interface ModelEntry {
  readonly name: string;
  readonly title: string;
  readonly kind: "decoder" | "encoder" | "encoder-decoder";
  readonly loaded: boolean;
  /** Whether it accepts chat messages; unknown until it is loaded. */
  readonly chat?: boolean | null;
  /** The kinds of input it accepts; null until it is loaded. */
  readonly takes?: readonly ("text" | "image")[] | null;
}

/** One message of a chat. */
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
  /** The layer and heads to select at first; null for the default selection. */
  readonly layer?: number | null;
  readonly heads?: readonly number[] | null;
  /** The query token to select, named by a word. */
  readonly query?: string | null;
  /** The view that the example is about. */
  readonly view?: "head" | "model" | "neuron";
}

export interface Token {
  readonly text: string;
  readonly id: number;
  readonly special: boolean;
  readonly sentence: "A" | "B" | null;
  readonly continues: boolean;
  readonly raw: boolean;
  /** The role of its chat message; null for tokens that the chat template adds. */
  readonly role?: string | null;
  /** The text it stands for, if it does not show it: the word behind an unknown token, the character that a byte belongs to. */
  readonly given?: string | null;
  /** Whether the position is padding, hidden by the attention mask of the input. */
  readonly padding?: boolean;
  /** For a patch: its box in the image (x0, y0, x1, y1), pixels. */
  readonly box?: Box | null;
  /** The image that it belongs to: an index into `images`. */
  readonly image?: number | null;
}

export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** An image as the model saw it; its bytes are the tensor `image_0` (…) of the trace. */
export interface ImageSize {
  readonly width: number;
  readonly height: number;
}

/** A measure of every head, as in docs/reference/wire.md; its texts are meant for the user. */
export interface Measure {
  readonly name: string;
  readonly title: string;
  /** "", "nats", "tokens" … */
  readonly unit: string;
  /** The possible values; null for no bound. */
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
  /** Layers with attention that are not included in an exported file; their shapes are null. */
  readonly left_out?: readonly number[];
  /** How q and k are rotated by position, per layer if layers differ; null if they are not, or if it is unknown. */
  readonly rotary?: Rotary | readonly (Rotary | null)[] | null;
}

/** Pairs of dimensions of q and k that rotate with the position (RoPE). */
export interface Rotary {
  /** The two dimensions of each pair. */
  readonly pairs: readonly (readonly [number, number])[];
  /** Wavelength of each pair, in tokens. */
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
  /** Whether it was read from a file, and not measured again. */
  readonly recorded?: boolean;
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
  /** A saved trace to show at the start. */
  readonly trace?: string | null;
  /** The workspace to show at the start. */
  readonly workspace?: Workspace | null;
  readonly examples: readonly Example[];
  readonly can: readonly string[];
  readonly limits: {
    readonly image_bytes?: number;
    /** Bytes of a file in `open`. */
    readonly file_bytes?: number;
    readonly tokens: number;
    readonly characters: number;
  };
  /** In an exported file: the largest difference between a stored weight and the exact one. */
  readonly file?: { readonly error: number };
  /** The measures whose values are part of `overview`. */
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
    /** Its name in `run`; null for a trace without its model. */
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
    /** The target that the decoder of an encoder-decoder model read; null if the model generated it. */
    readonly target?: string | null;
    /** The messages of a chat; `text` is their text after the chat template. */
    readonly messages?: readonly ChatMessage[];
    /** Whether the chat ends within its last message, for the model to continue it. */
    readonly continue_final_message?: boolean;
  };
  readonly tokens: Readonly<Record<string, readonly Token[]>>;
  readonly stacks: Readonly<Record<string, Stack>>;
  /** The edits of the forward pass, in order; each has a `type` and its fields. */
  readonly edits?: readonly Edit[];
  readonly images?: readonly ImageSize[];
  readonly warnings: readonly string[];
  readonly certificate: Certificate | null;
  readonly next:
    | readonly { readonly text: string; readonly id: number; readonly probability: number }[]
    | null;
  /** Other predictions of the model: masked tokens, labels, answers. */
  readonly predictions?: readonly Prediction[];
}

/** An edit of a forward pass, as in docs/reference/wire.md. */
export interface Edit {
  readonly type: string;
  readonly [field: string]: unknown;
}

export interface Prediction {
  readonly of: "token" | "label" | "token_label" | "start" | "end" | "answer";
  /** The token that it is about; null for the whole input. */
  readonly position: number | null;
  /** Whether the choices exclude each other. */
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
  /** Number of queries and keys in one cell. */
  readonly pooled: readonly [number, number];
  /** The ranges of queries and keys that the thumbnails show: first, and one past the last. */
  readonly part?: { readonly queries: readonly [number, number]; readonly keys: readonly [number, number] };
  /** The names of the measures in the tensors `measures` and `measures_off_sink`, both [measure, head]. */
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
  /** The largest difference between a q · k and the exact one, if measured. */
  readonly dot_error?: number;
  /** In an exported file: the packed tensors (wire/packed.ts). */
  readonly packed?: readonly string[];
  /** For packed weights: whether only those on and below the diagonal are stored. */
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

/** The value vectors of a layer: the tensors `v` and, if W_O is known, `output_norm` and `transformed_norm`. */
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
  /** The largest relative difference between a value vector and the exact one. */
  readonly error: number;
  /** Why output norms are unavailable; null if they are available. */
  readonly note: string | null;
}

/** One edge in all heads: tensors over the heads, in model order (docs/reference/wire.md). */
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

/** A self-contained page of a trace; the tensor `html` has its bytes. */
export interface ExportMessage extends Base {
  readonly type: "export";
  readonly trace: string;
}

/** What a workspace file holds, with its traces by id. A trace file is a workspace with one trace. */
export interface Workspace {
  readonly kind: "trace" | "workspace";
  /** The traces, which are then in the session. */
  readonly traces: readonly string[];
  readonly current: string;
  readonly baseline: string | null;
  /** The edits as they stood, which may not have been run yet. */
  readonly edits: readonly Edit[];
  readonly trail: readonly TrailEntry[];
  readonly notes: string;
  /** The JSON that the page saved: an object; empty for a trace file. */
  readonly state: Readonly<Record<string, unknown>>;
}

/** A place in a trail: a title, and the address (the part after `#`) that shows it. */
export interface TrailEntry {
  readonly title: string;
  readonly address: string;
}

/** Saves traces of the session and what the page knows about them as a workspace file. */
export interface SaveRequest extends Request {
  readonly type: "save";
  readonly traces: readonly string[];
  readonly current: string;
  readonly baseline?: string | null;
  readonly edits?: readonly Edit[];
  readonly trail?: readonly TrailEntry[];
  readonly notes?: string;
  readonly state?: Readonly<Record<string, unknown>>;
}

/** Opens a trace file or a workspace file. `name` is the name of the file, for error messages. */
export interface OpenRequest extends Request {
  readonly type: "open";
  readonly file: Uint8Array;
  readonly name?: string;
}

/** A workspace file; the tensor `file` has its bytes, and `name` is a name for it. */
export interface SaveMessage extends Base {
  readonly type: "save";
  readonly name: string;
}

export interface OpenMessage extends Base, Workspace {
  readonly type: "open";
}

export interface CancelMessage extends Base {
  readonly type: "cancel";
  readonly found: boolean;
}

export interface ErrorMessage extends Base {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
  /** For a text that is too long: how many tokens it can be truncated to. */
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
  | SaveMessage
  | OpenMessage
  | CancelMessage
  | ErrorMessage;
