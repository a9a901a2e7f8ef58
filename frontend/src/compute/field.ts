/**
 * What a view shows: a number for each query and key of each head of a layer. Views take a field and never a trace, so
 * a difference to a baseline or value-weighted attention can take its place.
 */

import type { LayerMessage } from "../wire/messages";
import { Kernel, type LayerData, layerData } from "./kernel";

export interface Field {
  readonly name: string;
  /** The field on one layer; null while it is not here yet. */
  layer(stack: string, layer: number): LayerField | null;
}

export interface LayerField {
  readonly stack: string;
  readonly layer: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  /** Largest difference of a number here from the exact one. */
  readonly error: number;
  /** What a key's absence from a row means: "causal", "window", … */
  readonly mask: string;
  /** Values of one query over all keys, kept. */
  row(head: number, query: number): Float32Array;
  /** Values of one key over all queries; null until the head's normalisers are known. */
  column(head: number, key: number): Float32Array | null;
  /** The score before the softmax; −∞ where the key is not allowed, null where scores are unknown. */
  score(head: number, query: number, key: number): number | null;
  /** Whether a query may look at a key. */
  allowed(head: number, query: number, key: number): boolean;
  /** Whether this row holds exact numbers from the host. */
  exact(head: number, query: number): boolean;
  /** Takes in exact rows from the host. */
  correct(head: number, query: number, values: Float32Array, scores: Float32Array | null): void;
}

/** Bytes of rows and columns kept of one layer. */
const KEPT_BYTES = 64 * 2 ** 20;

/** A map of arrays that forgets the oldest once they take more than its budget. */
class Kept {
  #arrays = new Map<number, Float32Array>();
  #bytes = 0;

  get(at: number): Float32Array | undefined {
    return this.#arrays.get(at);
  }

  set(at: number, values: Float32Array): Float32Array {
    this.#arrays.set(at, values);
    this.#bytes += values.byteLength;
    for (const [oldest, array] of this.#arrays) {
      if (this.#bytes <= KEPT_BYTES) break;
      this.#arrays.delete(oldest);
      this.#bytes -= array.byteLength;
    }
    return values;
  }
}

interface ExactRow {
  readonly values: Float32Array;
  readonly scores: Float32Array | null;
}

abstract class LayerOf implements LayerField {
  readonly stack: string;
  readonly layer: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly error: number;
  readonly mask: string;
  readonly #exact = new Map<number, ExactRow>();
  readonly #rows = new Kept();
  readonly #columns = new Kept();

  constructor(message: LayerMessage) {
    ({
      stack: this.stack,
      layer: this.layer,
      heads: this.heads,
      queries: this.queries,
      keys: this.keys,
      error: this.error,
    } = message);
    this.mask = message.mask.kind;
  }

  protected abstract computeRow(head: number, query: number): Float32Array;
  protected abstract computeColumn(head: number, key: number): Float32Array | null;
  protected abstract computeScore(head: number, query: number, key: number): number | null;
  abstract allowed(head: number, query: number, key: number): boolean;

  row(head: number, query: number): Float32Array {
    const at = head * this.queries + query;
    return (
      this.#exact.get(at)?.values ?? this.#rows.get(at) ?? this.#rows.set(at, this.computeRow(head, query))
    );
  }

  column(head: number, key: number): Float32Array | null {
    const at = head * this.keys + key;
    const kept = this.#columns.get(at);
    if (kept !== undefined) return kept;
    const values = this.computeColumn(head, key);
    return values && this.#columns.set(at, values);
  }

  score(head: number, query: number, key: number): number | null {
    const exact = this.#exact.get(head * this.queries + query)?.scores;
    return exact ? exact[key] : this.computeScore(head, query, key);
  }

  exact(head: number, query: number): boolean {
    return this.error === 0 || this.#exact.has(head * this.queries + query);
  }

  correct(head: number, query: number, values: Float32Array, scores: Float32Array | null): void {
    this.#exact.set(head * this.queries + query, { values, scores });
  }
}

/** Attention computed here from q and k. Columns need `normalisers` of the head, which a worker finds. */
export class ComputedLayer extends LayerOf {
  readonly data: LayerData;
  readonly #kernel: Kernel;
  readonly #normalisers = new Map<number, Float32Array>();

  constructor(message: LayerMessage) {
    super(message);
    this.data = layerData(message);
    this.#kernel = new Kernel(this.data);
  }

  hasNormalisers(head: number): boolean {
    return this.#normalisers.has(head);
  }

  setNormalisers(head: number, values: Float32Array): void {
    this.#normalisers.set(head, values);
  }

  protected override computeRow(head: number, query: number): Float32Array {
    return this.#kernel.attention(head, query);
  }

  protected override computeScore(head: number, query: number, key: number): number {
    return this.#kernel.score(head, query, key);
  }

  override allowed(head: number, query: number, key: number): boolean {
    return this.#kernel.allowed(head, query, key);
  }

  protected override computeColumn(head: number, key: number): Float32Array | null {
    const normalisers = this.#normalisers.get(head);
    return normalisers === undefined ? null : this.#kernel.column(head, key, normalisers);
  }
}

/** Attention that came as bytes, round(255·√α), or in a file as words, round(65535·√α); nobody knows the scores. */
export class PackedLayer extends LayerOf {
  readonly #bytes: Uint8Array | Uint16Array;
  readonly #full: number;

  constructor(message: LayerMessage) {
    super(message);
    const tensor = message.tensors.get("attention");
    const wanted = `${this.heads},${this.queries},${this.keys}`;
    const whole = tensor?.data instanceof Uint8Array || tensor?.data instanceof Uint16Array;
    if (!whole || String(tensor.shape) !== wanted) {
      throw new RangeError(
        `The layer's attention should be ${wanted}; got ${String(tensor?.shape ?? "none")}.`,
      );
    }
    this.#bytes = tensor.data as Uint8Array | Uint16Array;
    this.#full = tensor.data instanceof Uint8Array ? 255 : 65535;
  }

  protected override computeRow(head: number, query: number): Float32Array {
    const from = (head * this.queries + query) * this.keys;
    return Float32Array.from(this.#bytes.subarray(from, from + this.keys), (value) => this.#unpacked(value));
  }

  protected override computeColumn(head: number, key: number): Float32Array {
    const from = head * this.queries * this.keys + key;
    return Float32Array.from({ length: this.queries }, (_, query) =>
      this.#unpacked(this.#bytes[from + query * this.keys]),
    );
  }

  #unpacked(value: number): number {
    return (value / this.#full) ** 2;
  }

  protected override computeScore(): null {
    return null;
  }

  override allowed(head: number, query: number, key: number): boolean {
    const written = this.#bytes[(head * this.queries + query) * this.keys + key] > 0;
    return (
      written || this.mask === "full" || (this.mask === "causal" && key <= query + this.keys - this.queries)
    );
  }
}

/** The field of a layer as the host sent it. */
export function layerField(message: LayerMessage): ComputedLayer | PackedLayer {
  return message.form === "qk" ? new ComputedLayer(message) : new PackedLayer(message);
}
