/** Attention matrices in full, as bytes round(255·√α), in tiles of rows: computed in a worker while one looks at them. */

import type { LayerMessage } from "../wire/messages";
import { layerData } from "./layerData";
import type { FromMatrixWorker, ToMatrixWorker } from "./matrix.worker";
import MatrixWorker from "./matrix.worker?worker&inline";
import { workerFailure } from "./workerFailure";

/** Queries in a tile. */
export const TILE = 64;
const KEPT_BYTES = 192 * 2 ** 20;
const KEPT_LAYERS = 4;
/** Tiles under way: one is computed while the next waits, and what is wanted may still change. */
const UNDER_WAY = 2;

export interface Part {
  readonly queries: readonly [number, number];
  readonly keys: readonly [number, number];
}

/** Some rows of a matrix. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly cells: Uint8Array;
}

/** One head's matrix, as far as it is there. */
export class Matrix {
  readonly tiles: (Tile | undefined)[];
  bytes = 0;

  constructor(
    readonly message: LayerMessage,
    readonly head: number,
    readonly part: Part,
  ) {
    this.tiles = new Array(Math.ceil((part.queries[1] - part.queries[0]) / TILE)).fill(undefined);
  }

  /** The queries of a tile: first, and one after the last. */
  queriesOf(tile: number): readonly [number, number] {
    const [first, end] = this.part.queries;
    return [first + tile * TILE, Math.min(end, first + (tile + 1) * TILE)];
  }
}

interface Job {
  readonly matrix: Matrix;
  readonly tile: number;
}

/** Matrices of the heads that one looks at. What was wanted longest ago is forgotten first. */
export class Matrices {
  readonly #kept = new Map<string, Matrix>();
  readonly #sent = new Map<LayerMessage, string>();
  readonly #asked = new Map<number, Job>();
  #wanted: readonly Job[] = [];
  #worker: Worker | undefined;
  #count = 0;

  constructor(
    private readonly onTile: () => void,
    private readonly onFailure: (sentence: string) => void,
  ) {}

  /** The matrix of a head of a layer; empty at first. */
  of(message: LayerMessage, head: number, part: Part): Matrix {
    const { trace, stack, layer } = message;
    const name = [trace, stack, layer, head, ...part.queries, ...part.keys].join(" ");
    const matrix = this.#kept.get(name) ?? new Matrix(message, head, part);
    this.#kept.delete(name);
    this.#kept.set(name, matrix);
    return matrix;
  }

  /** The tiles wanted from now on, the most urgent first. Those that nobody wants any more are not begun. */
  want(jobs: readonly Job[]): void {
    this.#wanted = jobs.filter(({ matrix, tile }) => matrix.tiles[tile] === undefined);
    this.#next();
  }

  /** Tiles that are wanted and not there yet. */
  get missing(): number {
    return this.#wanted.length;
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#wanted = [];
    this.#asked.clear();
    this.#sent.clear();
  }

  #next(): void {
    const ready = this.#wanted.filter(({ matrix }) => matrix.message.form === "weights");
    for (const job of ready) this.#arrive(job, packedTile(job));
    if (ready.length > 0) this.onTile();
    const busy = new Set(
      [...this.#asked.values()].map(({ matrix, tile }) => `${tile} ${this.#nameOf(matrix)}`),
    );
    for (const job of this.#wanted) {
      if (this.#asked.size >= UNDER_WAY) break;
      if (!busy.has(`${job.tile} ${this.#nameOf(job.matrix)}`)) this.#ask(job);
    }
  }

  #nameOf({ message, head, part }: Matrix): string {
    return [message.trace, message.stack, message.layer, head, ...part.queries, ...part.keys].join(" ");
  }

  #ask(job: Job): void {
    this.#worker ??= this.#begin();
    const { message, head, part } = job.matrix;
    let name = this.#sent.get(message);
    if (name === undefined) {
      name = `${++this.#count}`;
      this.#post({ name, layer: layerData(message) });
    }
    this.#sent.delete(message);
    this.#sent.set(message, name);
    for (const [oldest, old] of this.#sent) {
      if (this.#sent.size <= KEPT_LAYERS) break;
      this.#sent.delete(oldest);
      this.#post({ forget: old });
    }
    const id = ++this.#count;
    this.#asked.set(id, job);
    this.#post({ id, name, head, queries: job.matrix.queriesOf(job.tile), keys: part.keys });
  }

  #begin(): Worker {
    const worker = new MatrixWorker();
    worker.onmessage = ({ data }: MessageEvent<FromMatrixWorker>) => {
      const job = this.#asked.get(data.id);
      this.#asked.delete(data.id);
      if (job !== undefined) {
        this.#arrive(job, data.bytes);
        this.onTile();
      }
      this.#next();
    };
    worker.onerror = (event) => {
      this.#asked.clear();
      this.#wanted = [];
      this.onFailure(workerFailure(event));
    };
    return worker;
  }

  #post(message: ToMatrixWorker): void {
    this.#worker?.postMessage(message);
  }

  #arrive({ matrix, tile }: Job, cells: Uint8Array): void {
    const [first, end] = matrix.queriesOf(tile);
    matrix.tiles[tile] = { rows: end - first, columns: matrix.part.keys[1] - matrix.part.keys[0], cells };
    matrix.bytes += cells.byteLength;
    this.#wanted = this.#wanted.filter((job) => job.matrix !== matrix || job.tile !== tile);
    let total = 0;
    for (const each of this.#kept.values()) total += each.bytes;
    for (const [name, oldest] of this.#kept) {
      if (total <= KEPT_BYTES || oldest === matrix) break;
      this.#kept.delete(name);
      total -= oldest.bytes;
    }
  }
}

/** Rows of a layer that came as bytes. */
function packedTile({ matrix, tile }: Job): Uint8Array {
  const { message, head, part } = matrix;
  const [first, end] = matrix.queriesOf(tile);
  const [left, right] = part.keys;
  const all = message.tensors.get("attention")?.data;
  const cells = new Uint8Array((end - first) * (right - left));
  if (!(all instanceof Uint8Array)) return cells;
  for (let query = first; query < end; query++) {
    const from = (head * message.queries + query) * message.keys;
    cells.set(all.subarray(from + left, from + right), (query - first) * (right - left));
  }
  return cells;
}
