/** Cache size for rows and columns of one layer, in bytes. */
const KEPT_BYTES = 64 * 2 ** 20;

/** A cache of arrays that evicts the oldest when it exceeds its budget. */
export class KeptArrays {
  #arrays = new Map<number, Float32Array>();
  #bytes = 0;

  get(at: number): Float32Array | undefined {
    return this.#arrays.get(at);
  }

  set(at: number, values: Float32Array): Float32Array {
    this.#bytes += values.byteLength - (this.#arrays.get(at)?.byteLength ?? 0);
    this.#arrays.set(at, values);
    for (const [oldest, array] of this.#arrays) {
      if (this.#bytes <= KEPT_BYTES) break;
      this.#arrays.delete(oldest);
      this.#bytes -= array.byteLength;
    }
    return values;
  }
}
