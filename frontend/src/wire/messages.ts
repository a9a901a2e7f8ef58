/** The messages of docs/wire.md as types, and the one place where bytes become one of them. */

import { DamagedError, decode, type Tensor } from "./safetensors";

export const VERSION = 1;

export interface Request {
  readonly type: "hello" | "run" | "trace" | "overview" | "layer" | "tile" | "check" | "cancel";
  readonly [field: string]: unknown;
}

export interface ModelEntry {
  readonly name: string;
  readonly title: string;
  readonly kind: "decoder" | "encoder" | "encoder-decoder";
  readonly loaded: boolean;
}

export interface Example {
  readonly title: string;
  readonly figure: string | null;
  readonly model: string | null;
  readonly text: string;
  readonly pair: string | null;
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
  readonly limits: { readonly tokens: number; readonly characters: number };
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
    readonly quantisation: string | null;
    readonly parameters: number | null;
  };
  readonly input: { readonly text: string | null; readonly pair: string | null };
  readonly tokens: Readonly<Record<string, readonly Token[]>>;
  readonly stacks: Readonly<Record<string, Stack>>;
  readonly warnings: readonly string[];
  readonly certificate: Certificate | null;
  readonly next:
    | readonly { readonly text: string; readonly id: number; readonly probability: number }[]
    | null;
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
}

export interface TileMessage extends Base {
  readonly type: "tile";
  readonly trace: string;
  readonly stack: string;
  readonly layer: number;
  readonly heads: readonly number[];
  readonly rows: readonly number[];
}

export interface CheckMessage extends Base {
  readonly type: "check";
  readonly trace: string;
  readonly certificate: Certificate;
}

export interface CancelMessage extends Base {
  readonly type: "cancel";
  readonly found: boolean;
}

export interface ErrorMessage extends Base {
  readonly type: "error";
  readonly code: string;
  readonly message: string;
}

export type Message =
  | HelloMessage
  | ProgressMessage
  | TraceMessage
  | OverviewMessage
  | LayerMessage
  | TileMessage
  | CheckMessage
  | CancelMessage
  | ErrorMessage;

const NEEDED: Readonly<Record<string, readonly string[]>> = {
  hello: ["models", "examples", "can", "limits"],
  progress: ["done", "total"],
  trace: ["trace", "model", "input", "tokens", "stacks"],
  overview: ["trace", "stack", "layer", "heads", "rows", "columns", "pooled"],
  layer: ["trace", "stack", "layer", "form", "heads", "queries", "keys", "mask", "error"],
  tile: ["trace", "stack", "layer", "heads", "rows"],
  check: ["certificate"],
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
