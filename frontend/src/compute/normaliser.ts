import type { ComputedLayer } from "./field";
import { Kernel } from "./kernel";
import type { FromWorker } from "./normalise.worker";
import NormaliseWorker from "./normalise.worker?worker&inline";

/** Multiply-adds that the main thread does at once without a pause that anybody sees. */
const AT_ONCE = 6e6;

/** Finds normalisers for a layer: at once where that is quick, else in a worker, head by head. */
export class Normaliser {
  #worker: Worker | undefined;
  readonly #asked = new Set<number>();

  constructor(
    private readonly layer: ComputedLayer,
    private readonly onHead: () => void,
    private readonly onFailure: (sentence: string) => void,
  ) {}

  /** Makes sure that the heads' normalisers are known, now or soon. */
  ask(heads: readonly number[]): void {
    const { queries, keys, dim } = this.layer.data;
    for (const head of heads) {
      if (this.#asked.has(head)) continue;
      this.#asked.add(head);
      if (queries * keys * dim <= AT_ONCE) this.#now(head);
      else this.#soon(head);
    }
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
  }

  #now(head: number): void {
    const kernel = new Kernel(this.layer.data);
    const scratch = new Float32Array(this.layer.keys);
    this.layer.setNormalisers(
      head,
      Float32Array.from({ length: this.layer.queries }, (_, query) =>
        kernel.normaliser(head, query, scratch),
      ),
    );
  }

  #soon(head: number): void {
    if (this.#worker === undefined) {
      this.#worker = new NormaliseWorker();
      this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        this.layer.setNormalisers(data.head, data.normalisers);
        this.onHead();
      };
      this.#worker.onerror = (event) =>
        this.onFailure(`The background computation failed: ${event.message}.`);
      this.#worker.postMessage({ layer: this.layer.data });
    }
    this.#worker.postMessage({ head });
  }
}
