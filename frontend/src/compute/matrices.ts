/**
 * Full attention matrices as bytes, round(255·√α), or differences of two as codes, in tiles of rows that a worker computes while
 * they are displayed.
 */

import type { LayerMessage } from "../wire/messages";
import type { Correspondence } from "./differenceLayer";
import { layerData } from "./layerData";
import { layerField } from "./layerField";
import type { FromMatrixWorker, ToMatrixWorker } from "./matrix.worker";
import MatrixWorker from "./matrix.worker?worker&inline";
import { differenceCells, type TileCells, type TilePlace, weightCells } from "./tileCells";
import { workerFailure } from "./workerFailure";

/** Queries per tile. */
export const TILE = 64;
const KEPT_BYTES = 192 * 2 ** 20;
const KEPT_LAYERS = 8;
/** Pending tiles: one is being computed and one waits. No more, because the tiles wanted may change. */
const UNDER_WAY = 2;

export interface Part {
  readonly queries: readonly [number, number];
  readonly keys: readonly [number, number];
}

/** A range of rows of a matrix: bytes of weights, or codes of differences with the bytes of the current pass. */
export interface Tile extends TileCells {
  readonly rows: number;
  readonly columns: number;
}

/** The layer of the baseline, which is subtracted, and what corresponds. */
export interface Minus {
  readonly message: LayerMessage;
  readonly correspondence: Correspondence;
}

/** One head's matrix, with the tiles that have been computed. */
export class Matrix {
  readonly tiles: (Tile | undefined)[];
  bytes = 0;

  constructor(
    readonly message: LayerMessage,
    readonly head: number,
    readonly part: Part,
    readonly minus: Minus | null,
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
  of(message: LayerMessage, head: number, part: Part, minus: Minus | null): Matrix {
    const wanted = new Matrix(message, head, part, minus);
    const name = nameOf(wanted);
    const matrix = this.#kept.get(name) ?? wanted;
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
    const ready = this.#wanted.filter(({ matrix }) => isPacked(matrix));
    for (const job of ready) this.#arrive(job, packedTile(job));
    if (ready.length > 0) this.onTile();
    const busy = new Set([...this.#pending.values()].map(({ matrix, tile }) => `${tile} ${nameOf(matrix)}`));
    for (const job of this.#wanted) {
      if (this.#pending.size >= UNDER_WAY) break;
      if (!busy.has(`${job.tile} ${nameOf(job.matrix)}`)) this.#request(job);
    }
  }

  #request(job: Job): void {
    this.#worker ??= this.#begin();
    const { message, minus } = job.matrix;
    const name = this.#send(message);
    const subtracted =
      minus === null ? null : { name: this.#send(minus.message), correspondence: minus.correspondence };
    for (const [oldest, old] of this.#sent) {
      if (this.#sent.size <= KEPT_LAYERS) break;
      this.#sent.delete(oldest);
      this.#post({ forget: old });
    }
    const id = ++this.#count;
    this.#pending.set(id, job);
    this.#post({ id, name, minus: subtracted, place: placeOf(job) });
  }

  /** Sends a layer to the worker unless it has it, and returns its name there. */
  #send(message: LayerMessage): string {
    const name = this.#sent.get(message) ?? `${++this.#count}`;
    if (!this.#sent.has(message)) this.#post({ name, layer: layerData(message) });
    this.#sent.delete(message);
    this.#sent.set(message, name);
    return name;
  }

  #begin(): Worker {
    const worker = new MatrixWorker();
    worker.onmessage = ({ data }: MessageEvent<FromMatrixWorker>) => {
      const job = this.#pending.get(data.id);
      this.#pending.delete(data.id);
      if (job !== undefined) {
        this.#arrive(job, data);
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

  #arrive({ matrix, tile }: Job, { cells, pattern }: TileCells): void {
    const [first, end] = matrix.queriesOf(tile);
    const columns = matrix.part.keys[1] - matrix.part.keys[0];
    matrix.tiles[tile] = { rows: end - first, columns, cells, pattern };
    matrix.bytes += cells.byteLength + (pattern?.byteLength ?? 0);
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

function nameOf({ message, head, part, minus }: Matrix): string {
  const { trace, stack, layer } = message;
  return [trace, minus?.message.trace, stack, layer, head, ...part.queries, ...part.keys].join(" ");
}

function placeOf({ matrix, tile }: Job): TilePlace {
  return { head: matrix.head, queries: matrix.queriesOf(tile), keys: matrix.part.keys };
}

/** Whether a tile needs no worker: a layer was sent as weights. */
function isPacked({ message, minus }: Matrix): boolean {
  return message.form === "weights" || minus?.message.form === "weights";
}

/** Rows of layers that were sent as weights. */
function packedTile(job: Job): TileCells {
  const { message, minus } = job.matrix;
  const current = layerField(message);
  if (minus === null) return weightCells(current, placeOf(job));
  return differenceCells(current, layerField(minus.message), minus.correspondence, placeOf(job));
}
