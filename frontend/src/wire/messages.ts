/** The types of the messages in docs/reference/wire.md. */

import type { Tensor } from "./safetensors";

export const VERSION = 1;

export interface Request {
  readonly type:
    | "hello"
    | "run"
    | "trace"
    | "generate"
    | "effect"
    | "control"
    | "edits"
    | "overview"
    | "layer"
    | "tile"
    | "values"
    | "edge"
    | "align"
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
  /** What can be changed in this stack; absent where there is no live model. */
  readonly changes?: Changes;
}

/** For each place of a change: null if it can be made in this stack, or the sentence why it cannot. */
export interface Changes {
  readonly head: string | null;
  readonly line: string | null;
  readonly weight: string | null;
  readonly neuron: string | null;
  readonly pair: string | null;
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
    /** Edits in one run. */
    readonly edits?: number;
    /** Bytes of a file in `open`. */
    readonly file_bytes?: number;
    readonly tokens: number;
    readonly characters: number;
  };
  readonly file?: FileContents;
  /** The measures whose values are part of `overview`. */
  readonly measures?: readonly Measure[];
}

/** What is special about an exported file. */
export interface FileContents {
  /** The largest difference between a stored weight and the exact one. */
  readonly error: number;
  /** The pass that the trace is compared with. */
  readonly baseline?: {
    readonly trace: string;
    /** By kind and stack ("layer decoder"): the layers whose messages are those of the current pass, stored once. */
    readonly shared: Readonly<Record<string, readonly number[]>>;
  };
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
  /** In the answer to `generate`: how the continuation came about. */
  readonly generation?: Generation;
}

/** A new token of a generation, with the most probable tokens at its position. */
export interface GenerateStep {
  readonly token: Token;
  /** From the softmax of the model's own logits, whatever the sampling. */
  readonly probability: number;
  /** From 1. */
  readonly rank: number;
  readonly top: readonly { readonly text: string; readonly id: number; readonly probability: number }[];
}

export interface Generation {
  /** The continuation. */
  readonly text: string;
  readonly stopped: "length" | "end" | "stop";
  /** The number of tokens before the continuation. */
  readonly prompt: number;
  readonly steps: readonly GenerateStep[];
  readonly max_new_tokens: number;
  readonly sampling: Readonly<Record<string, unknown>> | null;
  readonly stop: readonly string[];
}

/** A new token, sent as soon as it is chosen. */
export interface TokenMessage extends Base, GenerateStep {
  readonly type: "token";
  readonly index: number;
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

/** How likely a pass finds a token or label. */
export interface Likelihood {
  /** Null if the model gives none (a regression). */
  readonly probability: number | null;
  /** From 1, among all tokens or labels. */
  readonly rank: number;
  /** The logit; null where it is not finite. */
  readonly value: number | null;
}

/** The number that is measured of two passes. */
export interface EffectMetric {
  readonly name: string;
  readonly formula: string;
  /** `id` is −1 for several tokens. */
  readonly answer: { readonly text: string; readonly id: number };
  readonly foil: { readonly text: string; readonly id: number } | null;
  /** Null where it is not finite. */
  readonly before: number | null;
  readonly after: number | null;
  /** Effects of this size are rounding. */
  readonly error: number;
}

/** What a control varies. */
export type ControlOver = "heads" | "keys" | "pairs" | "vectors";

/** A control that can be asked for. */
export interface ControlKind {
  readonly over: ControlOver;
  /** How many passes it runs. */
  readonly draws: number;
  /** Whether these are all that there are. */
  readonly all: boolean;
  /** "8 other heads of layer 23" */
  readonly words: string;
}

/** What a pass predicts, beside its baseline. */
export interface EffectMessage extends Base {
  readonly type: "effect";
  readonly trace: string;
  readonly baseline: string;
  readonly of: "token" | "label" | "token_label";
  /** The position whose prediction it is; null for the whole input. */
  readonly position: number | null;
  readonly baseline_position: number | null;
  /** The most probable of both passes, the most probable of the current pass first. */
  readonly tokens: readonly {
    readonly text: string;
    readonly id: number;
    readonly before: Likelihood;
    readonly after: Likelihood;
  }[];
  /** The probability of all others together; null where probabilities do not sum to 1. */
  readonly others: { readonly before: number; readonly after: number } | null;
  /** The total variation distance of both predictions, from 0 to 1; null where probabilities do not sum to 1. */
  readonly moved: number | null;
  readonly metric: EffectMetric;
  readonly kinds: readonly ControlKind[];
  /** Why there is no control; null if there is one. */
  readonly no_control: string | null;
}

/** The same edits made elsewhere. Each message has everything so far. */
export interface ControlMessage extends Base {
  readonly type: "control";
  readonly trace: string;
  readonly over: ControlOver;
  readonly metric: {
    readonly name: string;
    readonly formula: string;
    readonly answer: string;
    readonly foil: string | null;
  };
  readonly position: number;
  /** The metric without the edits and with them; null where it is not finite. */
  readonly before: number | null;
  readonly after: number | null;
  /** How many draws there will be. */
  readonly total: number;
  /** Where each draw so far makes the edits: "23.5". */
  readonly where: readonly string[];
  /** The metric with each draw. */
  readonly values: readonly (number | null)[];
  /** The probabilities of the asked tokens, for each draw. */
  readonly tokens: readonly (readonly (number | null)[])[];
  /** The place of the edits by the size of the effect, 1 for the largest; ties share the mean of their ranks. */
  readonly rank: number;
  /** How many effects are ranked: the edits and the draws so far. */
  readonly among: number;
  /** "rank 1 of 9" */
  readonly sentence: string;
  /** Effects of this size are rounding. */
  readonly error: number;
  readonly seed: number;
}

/** Edits in other forms, in the order of the request. */
export interface EditsMessage extends Base {
  readonly type: "edits";
  readonly edits: readonly {
    /** The expression that makes it in Python. */
    readonly python: string;
    /** Why it cannot be written into the weights; null if it can. */
    readonly bake: string | null;
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
  /** The trace that it is compared with; the tensor `difference` has its signed thumbnails: sign · round(127·√|difference|), int8. */
  readonly baseline?: string;
  /** Whether every weight of the layer equals that of the baseline; there is no tensor `difference` then. */
  readonly unchanged?: boolean;
  /** The largest |difference| in the layer. */
  readonly largest?: number;
}

/** Which tokens, layers and heads of two traces correspond; differences are those of `trace` minus `baseline`. */
export interface AlignMessage extends Base {
  readonly type: "align";
  readonly trace: string;
  readonly baseline: string;
  /** Whether both read the same tokens. */
  readonly identical: boolean;
  /** For each side (as in the trace's `tokens`) and each token of `trace`: the index in the baseline, or -1. */
  readonly sides: Readonly<Record<string, readonly number[]>>;
  /** The tokens of the first side that correspond to another token: [index in `trace`, index in the baseline]. */
  readonly substituted: readonly (readonly [current: number, baseline: number])[];
  readonly stacks: Readonly<Record<string, AlignedStack>>;
  /** What the user should know, in sentences. */
  readonly notes: readonly string[];
}

/** Which layers and heads of a stack correspond, by index, to those of the baseline. */
export interface AlignedStack {
  /** The number of layers that the stack has in `trace`. */
  readonly layers: number;
  /** Which layers or heads do not correspond, in a sentence; null if all do. */
  readonly note: string | null;
  /** For each layer: the number of heads that correspond; 0 for layers that have no difference. */
  readonly heads: readonly number[];
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
  | TokenMessage
  | EffectMessage
  | ControlMessage
  | EditsMessage
  | OverviewMessage
  | LayerMessage
  | TileMessage
  | ValuesMessage
  | EdgeMessage
  | AlignMessage
  | CheckMessage
  | ExportMessage
  | SaveMessage
  | OpenMessage
  | CancelMessage
  | ErrorMessage;
