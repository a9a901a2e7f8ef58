/** Work on a layer that can take longer than a frame: done directly if it is small, or else in a worker. */

import { type HeadSummary, type RowRules, summarize } from "../../compute/headSummary";
import type { LayerField } from "../../compute/layerField";
import { workerFailure } from "../../compute/workerFailure";
import { keepNewest } from "../../state/keepNewest";
import { type Band, type BandRequest, drawBand } from "./band";
import { partsOf } from "./fieldParts";
import type { FromWorker, ToWorker } from "./layer.worker";
import LayerWorker from "./layer.worker?worker&inline";

/** The most weights that the main thread processes without a noticeable pause. */
const AT_ONCE = 12_000;

/** The requests of one view; only the newest count. */
export interface LineWorkerClient {
  /** Requests summaries of heads under the rules named by `key`; `onSummary` is called for each new one. */
  summarize(key: string, rules: RowRules, heads: readonly number[]): void;
  summary(key: string, head: number): HeadSummary | null;
  band(key: string, request: BandRequest): void;
  close(): void;
}

export interface LineWorkerListener {
  readonly onSummary: () => void;
  readonly onBand: (band: Band) => void;
  readonly onFailure: (sentence: string) => void;
}

/** Summaries in the cache of a layer. */
const KEPT = 256;

class LineWorker {
  #worker: Worker | undefined;
  #clients = new Map<number, LineWorkerListener>();
  #next = 0;
  readonly #summaries = new Map<string, HeadSummary>();

  constructor(
    private readonly field: LayerField,
    private readonly onEmpty: () => void,
  ) {}

  join(listener: LineWorkerListener): LineWorkerClient {
    const client = this.#next++;
    this.#clients.set(client, listener);
    return {
      summarize: (key, rules, heads) => this.#summarize(client, key, rules, heads),
      summary: (key, head) => this.#summaries.get(`${key} ${head}`) ?? null,
      band: (key, request) => this.#band(client, key, request),
      close: () => this.#leave(client),
    };
  }

  #summarize(client: number, key: string, rules: RowRules, heads: readonly number[]): void {
    const missing = heads.filter((head) => !this.#summaries.has(`${key} ${head}`));
    if (missing.length === 0) return;
    if (this.#little(heads.length)) {
      for (const head of missing) this.#keep(key, summarize(this.field, head, rules));
      this.#clients.get(client)?.onSummary();
    } else this.#post({ type: "summarize", client, key, rules, heads: missing });
  }

  #band(client: number, key: string, request: BandRequest): void {
    if (this.#little(request.heads.length)) {
      const band = drawBand(
        this.field,
        request,
        (head) => this.#summaries.get(`${key} ${head}`)?.cutoffs ?? null,
      );
      this.#clients.get(client)?.onBand(band);
    } else this.#post({ type: "band", client, key, request });
  }

  #leave(client: number): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) {
      if (this.#worker !== undefined) this.#post({ type: "leave", client });
      return;
    }
    this.#worker?.terminate();
    this.#worker = undefined;
    this.onEmpty();
  }

  #little(heads: number): boolean {
    return heads * this.field.queries * this.field.keys <= AT_ONCE;
  }

  #keep(key: string, summary: HeadSummary): void {
    const { head, normalizers } = summary;
    this.field.learn(head, normalizers);
    keepNewest(this.#summaries, `${key} ${head}`, summary, KEPT);
  }

  #post(message: ToWorker): void {
    if (this.#worker === undefined) {
      this.#worker = new LayerWorker();
      this.#worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
        if (data.type === "summary") this.#keep(data.key, data.summary);
        const listener = this.#clients.get(data.client);
        if (data.type === "band") listener?.onBand(data.band);
        else listener?.onSummary();
      };
      this.#worker.onerror = (event) => {
        const sentence = workerFailure(event);
        for (const listener of this.#clients.values()) listener.onFailure(sentence);
      };
      this.#worker.postMessage({ type: "layer", parts: partsOf(this.field) } satisfies ToWorker);
    }
    this.#worker.postMessage(message);
  }
}

const works = new WeakMap<LayerField, LineWorker>();

/** Registers a client for a layer; views of the same layer share the work. */
export function joinLineWorker(field: LayerField, listener: LineWorkerListener): LineWorkerClient {
  const work = works.get(field) ?? new LineWorker(field, () => works.delete(field));
  works.set(field, work);
  return work.join(listener);
}
