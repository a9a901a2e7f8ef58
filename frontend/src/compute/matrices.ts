/** Full attention matrices as bytes, round(255·√α), in tiles of rows that a worker computes while they are displayed. */

import type { LayerMessage } from "../wire/messages";
import { layerData } from "./layerData";
import type { FromMatrixWorker, ToMatrixWorker } from "./matrix.worker";
import MatrixWorker from "./matrix.worker?worker&inline";
import { workerFailure } from "./workerFailure";

/** Queries per tile. */
export const TILE = 64;
const KEPT_BYTES = 192 * 2 ** 20;
const KEPT_LAYERS = 4;
/** Pending tiles: one is being computed and one waits. No more, because the tiles wanted may change. */
const UNDER_WAY = 2;

export interface Part {
  readonly queries: readonly [number, number];
  readonly keys: readonly [number, number];
}

/** A range of rows of a matrix. */
export interface Tile {
  readonly rows: number;
  readonly columns: number;
  readonly cells: Uint8Array;
}

/** One head's matrix, with the tiles that have been computed. */
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

  /** The range of queries of a tile; the end is exclusive. */
  queriesOf(tile: number): readonly [number, number] {
    const [first, end] = this.part.queries;
    return [first + tile * TILE, Math.min(end, first + (tile + 1) * TILE)];
  }
}

interface Job {
  readonly matrix: Matrix;
  readonly tile: number;
}

/** Matrices of the heads on display. The least recently wanted ones are evicted first. */
export class Matrices {
  readonly #kept = new Map<string, Matrix>();
  readonly #sent = new Map<LayerMessage, string>();
  readonly #pending = new Map<number, Job>();
  #wanted: readonly Job[] = [];
  #worker: Worker | undefined;
  #count = 0;

  constructor(
    private readonly onTile: () => void,
    private readonly onFailure: (sentence: string) => void,
  ) {}

  /** The matrix of a head; initially empty. */
  of(message: LayerMessage, head: number, part: Part): Matrix {
    const { trace, stack, layer } = message;
    const name = [trace, stack, layer, head, ...part.queries, ...part.keys].join(" ");
    const matrix = this.#kept.get(name) ?? new Matrix(message, head, part);
    this.#kept.delete(name);
    this.#kept.set(name, matrix);
    return matrix;
  }

  /** Sets the tiles that are wanted now, most urgent first. Tiles that are no longer wanted are not started. */
  want(jobs: readonly Job[]): void {
    this.#wanted = jobs.filter(({ matrix, tile }) => matrix.tiles[tile] === undefined);
    this.#next();
  }

  /** Wanted tiles that have not been computed yet. */
  get missing(): number {
    return this.#wanted.length;
  }

  close(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#wanted = [];
    this.#pending.clear();
    this.#sent.clear();
  }

  #next(): void {
    const ready = this.#wanted.filter(({ matrix }) => matrix.message.form === "weights");
    for (const job of ready) this.#arrive(job, packedTile(job));
    if (ready.length > 0) this.onTile();
    const busy = new Set(
      [...this.#pending.values()].map(({ matrix, tile }) => `${tile} ${this.#nameOf(matrix)}`),
    );
    for (const job of this.#wanted) {
      if (this.#pending.size >= UNDER_WAY) break;
      if (!busy.has(`${job.tile} ${this.#nameOf(job.matrix)}`)) this.#request(job);
    }
  }

  #nameOf({ message, head, part }: Matrix): string {
    return [message.trace, message.stack, message.layer, head, ...part.queries, ...part.keys].join(" ");
  }

  #request(job: Job): void {
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
    this.#pending.set(id, job);
    this.#post({ id, name, head, queries: job.matrix.queriesOf(job.tile), keys: part.keys });
  }

  #begin(): Worker {
    const worker = new MatrixWorker();
    worker.onmessage = ({ data }: MessageEvent<FromMatrixWorker>) => {
      const job = this.#pending.get(data.id);
      this.#pending.delete(data.id);
      if (job !== undefined) {
        this.#arrive(job, data.bytes);
        this.onTile();
      }
      this.#next();
    };
    worker.onerror = (event) => {
      this.#pending.clear();
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

/** Rows of a layer that was sent as bytes. */
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
