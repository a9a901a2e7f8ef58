/**
 * The numbers a view shows, one for each query and key of each head of a layer. Views take a field instead of a trace, so
 * that it can also hold a difference from a baseline or value-weighted attention.
 */

import type { LayerMessage } from "../wire/messages";
import { DamagedError } from "../wire/safetensors";
import { KeptArrays } from "./keptArrays";
import { Kernel } from "./kernel";
import { type LayerData, layerData, withoutKeys } from "./layerData";

/** The properties of a layer other than its numbers; can be sent to a worker. */
export interface LayerHeader {
  readonly stack: string;
  readonly layer: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  /** Maximum error of a number in this field. */
  readonly error: number;
  /** The kind of mask: "causal", "window", … */
  readonly mask: string;
  /** Keys removed before the rows were renormalized; empty for the original attention. */
  readonly without: ReadonlySet<number>;
}

/** The normalizers of a head's rows in each pass: of one, or of the current pass and the baseline. */
export type Normalizers = readonly (Float32Array | null)[];

export interface LayerField extends LayerHeader {
  /** Whether the numbers are differences: negative ones too, and no sum of 1 in a row. */
  readonly signed: boolean;
  /** Whether there is a number for this place; not where a difference has no counterpart in the baseline. */
  aligned(head: number, query: number, key: number): boolean;
  /** The numbers of one query over all keys; cached. */
  row(head: number, query: number): Float32Array;
  /** The numbers of one key over all queries; null until the head's normalizers are known. */
  column(head: number, key: number): Float32Array | null;
  /** The score before the softmax; −∞ if the key is masked, null if scores are unknown. */
  score(head: number, query: number, key: number): number | null;
  /** The error of a score; 0 if it comes from the host. */
  scoreError(head: number, query: number, key: number): number;
  /** Whether a key is not masked for a query. */
  allowed(head: number, query: number, key: number): boolean;
  /** Whether this row has exact numbers from the host. */
  exact(head: number, query: number): boolean;
  /** Writes a row into `out` without caching it; returns its normalizer if there is a single one. */
  fill(head: number, query: number, out: Float32Array): number | null;
  /** A row's attention to the removed keys, before renormalization; `normalizer` is the row's own, as `fill` returns it. */
  removedAttention(head: number, query: number, normalizer: number | null): number;
  /** The field without some keys, renormalized over the others. */
  renormalized(without: ReadonlySet<number>): LayerField;
  /** Stores the normalizers of all rows of a head, of each pass in the field; null where weights need none. */
  learn(head: number, normalizers: Normalizers): void;
  /** Stores exact rows from the host. */
  correct(head: number, query: number, values: Float32Array, scores: Float32Array | null): void;
}

interface ExactRow {
  readonly values: Float32Array;
  readonly scores: Float32Array | null;
}

abstract class LayerOf implements LayerField {
  readonly signed = false;
  readonly stack: string;
  readonly layer: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly error: number;
  readonly mask: string;
  readonly without: ReadonlySet<number>;
  readonly #exact = new Map<number, ExactRow>();
  /** Queries of each head that have exact rows. */
  readonly #corrected = new Map<number, Set<number>>();
  readonly #rows = new KeptArrays();
  readonly #columns = new KeptArrays();

  constructor(readonly header: LayerHeader) {
    ({
      stack: this.stack,
      layer: this.layer,
      heads: this.heads,
      queries: this.queries,
      keys: this.keys,
      error: this.error,
      mask: this.mask,
      without: this.without,
    } = header);
  }

  protected abstract computeRow(head: number, query: number): Float32Array;
  protected abstract computeColumn(head: number, key: number): Float32Array | null;
  protected abstract computeScore(head: number, query: number, key: number): number | null;
  protected abstract computeScoreError(head: number, query: number, key: number): number;
  abstract allowed(head: number, query: number, key: number): boolean;
  abstract fill(head: number, query: number, out: Float32Array): number | null;
  abstract removedAttention(head: number, query: number, normalizer: number | null): number;
  abstract renormalized(without: ReadonlySet<number>): LayerField;
  abstract learn(head: number, normalizers: Normalizers): void;

  aligned(): boolean {
    return true;
  }

  row(head: number, query: number): Float32Array {
    const at = head * this.queries + query;
    return (
      this.#exact.get(at)?.values ?? this.#rows.get(at) ?? this.#rows.set(at, this.computeRow(head, query))
    );
  }

  column(head: number, key: number): Float32Array | null {
    const at = head * this.keys + key;
    const kept = this.#columns.get(at);
    const values = kept ?? this.computeColumn(head, key);
    if (values === null) return null;
    if (kept === undefined) this.#columns.set(at, values);
    // The same weight must not be .14 in the column and .15 in the row.
    for (const query of this.#corrected.get(head) ?? []) values[query] = this.row(head, query)[key];
    return values;
  }

  score(head: number, query: number, key: number): number | null {
    const exact = this.#exact.get(head * this.queries + query)?.scores;
    return exact ? exact[key] : this.computeScore(head, query, key);
  }

  scoreError(head: number, query: number, key: number): number {
    const exact = this.#exact.get(head * this.queries + query)?.scores;
    return exact ? 0 : this.computeScoreError(head, query, key);
  }

  exact(head: number, query: number): boolean {
    return this.error === 0 || this.#exact.has(head * this.queries + query);
  }

  correct(head: number, query: number, values: Float32Array, scores: Float32Array | null): void {
    const own = this.without.size === 0 ? values : renormalize(values.slice(), this.without);
    this.#exact.set(head * this.queries + query, { values: own, scores });
    const corrected = this.#corrected.get(head);
    if (corrected === undefined) this.#corrected.set(head, new Set([query]));
    else corrected.add(query);
  }
}

/** Removes keys from a row and renormalizes the others; all zeros if no weight remains. */
function renormalize(row: Float32Array, without: ReadonlySet<number>): Float32Array {
  for (const key of without) row[key] = 0;
  let sum = 0;
  for (let key = 0; key < row.length; key++) sum += row[key];
  if (sum > 0) for (let key = 0; key < row.length; key++) row[key] /= sum;
  return row;
}

/** Attention computed on the page from q and k. Columns need the head's `normalizers`, which a worker computes. */
export class ComputedLayer extends LayerOf {
  readonly #kernel: Kernel;
  readonly #normalizers = new Map<number, Float32Array>();

  /** `whole` is the layer from which this one was derived by removing keys. */
  constructor(
    header: LayerHeader,
    readonly data: LayerData,
    readonly whole: ComputedLayer | null = null,
  ) {
    super(header);
    this.#kernel = new Kernel(data);
  }

  hasNormalizers(head: number): boolean {
    return this.#normalizers.has(head);
  }

  override learn(head: number, [own]: Normalizers): void {
    if (own != null && !this.#normalizers.has(head)) this.#normalizers.set(head, own);
  }

  override fill(head: number, query: number, out: Float32Array): number {
    return this.#kernel.attend(head, query, out);
  }

  override renormalized(without: ReadonlySet<number>): ComputedLayer {
    return new ComputedLayer({ ...this.header, without }, withoutKeys(this.data, without), this);
  }

  override removedAttention(head: number, query: number, normalizer: number): number {
    const { whole } = this;
    if (whole === null) return 0;
    const edited = whole.#kernel.editedRow(head, query);
    if (edited !== null) return [...this.without].reduce((sum, key) => sum + edited[key], 0);
    const scores = [...this.without].map((key) => whole.computeScore(head, query, key));
    const sink = whole.data.sink?.[head] ?? Number.NEGATIVE_INFINITY;
    const top = Math.max(normalizer, sink, ...scores);
    if (top === Number.NEGATIVE_INFINITY) return 0;
    const hidden = scores.reduce((sum, score) => sum + Math.exp(score - top), 0);
    return hidden / (hidden + Math.exp(normalizer - top) + Math.exp(sink - top));
  }

  protected override computeRow(head: number, query: number): Float32Array {
    return this.#kernel.attention(head, query);
  }

  protected override computeScore(head: number, query: number, key: number): number {
    return this.#kernel.score(head, query, key);
  }

  protected override computeScoreError(head: number, query: number, key: number): number {
    return this.#kernel.scoreError(head, query, key);
  }

  override allowed(head: number, query: number, key: number): boolean {
    return this.#kernel.allowed(head, query, key);
  }

  protected override computeColumn(head: number, key: number): Float32Array | null {
    const normalizers = this.#normalizers.get(head);
    return normalizers === undefined ? null : this.#kernel.column(head, key, normalizers);
  }
}

/** Attention sent as bytes, round(255·√α), or stored in a file as 16-bit words, round(65535·√α). Scores are unknown. */
export class PackedLayer extends LayerOf {
  /** The weight of each byte or word. */
  readonly #unpacked: Float32Array;
  /** The sum by which a row's weights are divided, for each query of each head; NaN until it is known. */
  readonly #sums: Float64Array | null;

  constructor(
    header: LayerHeader,
    readonly bytes: Uint8Array | Uint16Array,
  ) {
    super(header);
    this.#unpacked = tableFor(bytes instanceof Uint8Array ? 255 : 65535);
    this.#sums = header.without.size === 0 ? null : new Float64Array(this.heads * this.queries).fill(NaN);
  }

  override fill(head: number, query: number, out: Float32Array): null {
    const from = (head * this.queries + query) * this.keys;
    for (let key = 0; key < this.keys; key++) out[key] = this.#unpacked[this.bytes[from + key]];
    if (this.#sums !== null) renormalize(out, this.without);
    return null;
  }

  override removedAttention(head: number, query: number): number {
    const from = (head * this.queries + query) * this.keys;
    let sum = 0;
    for (const key of this.without) sum += this.#unpacked[this.bytes[from + key]];
    return sum;
  }

  override learn(): void {
    // Its columns need no normalizers.
  }

  override renormalized(without: ReadonlySet<number>): PackedLayer {
    return new PackedLayer({ ...this.header, without }, this.bytes);
  }

  protected override computeRow(head: number, query: number): Float32Array {
    const out = new Float32Array(this.keys);
    this.fill(head, query, out);
    return out;
  }

  protected override computeColumn(head: number, key: number): Float32Array {
    const out = new Float32Array(this.queries);
    if (this.without.has(key)) return out;
    const from = head * this.queries * this.keys + key;
    for (let query = 0; query < this.queries; query++) {
      const weight = this.#unpacked[this.bytes[from + query * this.keys]];
      out[query] = weight === 0 ? 0 : weight / this.#sum(head, query);
    }
    return out;
  }

  protected override computeScore(): null {
    return null;
  }

  protected override computeScoreError(): number {
    return 0;
  }

  override allowed(head: number, query: number, key: number): boolean {
    if (this.without.has(key)) return false;
    const written = this.bytes[(head * this.queries + query) * this.keys + key] > 0;
    return (
      written || this.mask === "full" || (this.mask === "causal" && key <= query + this.keys - this.queries)
    );
  }

  #sum(head: number, query: number): number {
    if (this.#sums === null) return 1;
    const at = head * this.queries + query;
    if (Number.isNaN(this.#sums[at])) {
      let sum = 0;
      for (let key = 0; key < this.keys; key++) {
        if (!this.without.has(key)) sum += this.#unpacked[this.bytes[at * this.keys + key]];
      }
      this.#sums[at] = sum;
    }
    return this.#sums[at];
  }
}

const tables = new Map<number, Float32Array>();

function tableFor(full: number): Float32Array {
  const known = tables.get(full);
  if (known !== undefined) return known;
  const table = Float32Array.from({ length: full + 1 }, (_, value) => (value / full) ** 2);
  tables.set(full, table);
  return table;
}

/** Creates the field of a layer message. */
export function layerField(message: LayerMessage): ComputedLayer | PackedLayer {
  const { stack, layer, heads, queries, keys, error } = message;
  const header = {
    stack,
    layer,
    heads,
    queries,
    keys,
    error,
    mask: message.mask.kind,
    without: new Set<number>(),
  };
  if (message.form === "qk") return new ComputedLayer(header, layerData(message));
  const tensor = message.tensors.get("attention");
  const wanted = `${heads},${queries},${keys}`;
  const packed = tensor?.data instanceof Uint8Array || tensor?.data instanceof Uint16Array;
  if (!packed || String(tensor?.shape) !== wanted) {
    throw new DamagedError(
      `The layer's attention must have shape ${wanted}; got ${String(tensor?.shape ?? "none")}.`,
    );
  }
  return new PackedLayer(header, tensor.data as Uint8Array | Uint16Array);
}
