/** Thumbnails of the heads of one layer: bytes, round(255·√α), of the largest weight in each cell. */

import type { OverviewMessage } from "../wire/messages";
import { DamagedError } from "../wire/safetensors";

export interface Cell {
  readonly row: number;
  readonly column: number;
  readonly byte: number;
}

/** Hidden cells of a thumbnail: those of hidden keys and of tokens that the sentence filter drops. */
export interface Hidden {
  readonly row: (row: number) => boolean;
  readonly column: (column: number) => boolean;
}

export class Thumbnails {
  readonly layer: number;
  readonly heads: number;
  readonly rows: number;
  readonly columns: number;
  /** Queries and keys per cell. */
  readonly pooled: readonly [number, number];
  /** The queries and keys covered; null for all. */
  readonly part: OverviewMessage["part"] | null;
  readonly #bytes: Uint8Array;

  constructor(message: OverviewMessage) {
    ({
      layer: this.layer,
      heads: this.heads,
      rows: this.rows,
      columns: this.columns,
      pooled: this.pooled,
    } = message);
    this.part = message.part ?? null;
    const tensor = message.tensors.get("thumbnails");
    const wanted = [this.heads, this.rows, this.columns].join(" × ");
    if (!(tensor?.data instanceof Uint8Array) || tensor.shape.join(" × ") !== wanted) {
      throw new DamagedError(
        `The thumbnails of layer ${this.layer} must have shape ${wanted}; got ${tensor?.shape.join(" × ") ?? "none"}.`,
      );
    }
    this.#bytes = tensor.data;
  }

  /** The cells of a head, row by row, as a view of the message's bytes. */
  cells(head: number): Uint8Array {
    const size = this.rows * this.columns;
    return this.#bytes.subarray(head * size, (head + 1) * size);
  }

  /** A copy of a head's cells, with hidden cells set to zero. */
  shownCells(head: number, hidden: Hidden): Uint8Array {
    const cells = this.cells(head).slice();
    for (let row = 0; row < this.rows; row++) {
      if (hidden.row(row)) cells.fill(0, row * this.columns, (row + 1) * this.columns);
    }
    for (let column = 0; column < this.columns; column++) {
      if (!hidden.column(column)) continue;
      for (let row = 0; row < this.rows; row++) cells[row * this.columns + column] = 0;
    }
    return cells;
  }

  /** The largest cell that is not hidden; null if all are hidden or zero. */
  peak(head: number, hidden: Hidden): Cell | null {
    const cells = this.cells(head);
    let peak: Cell | null = null;
    for (let row = 0; row < this.rows; row++) {
      if (hidden.row(row)) continue;
      for (let column = 0; column < this.columns; column++) {
        const byte = cells[row * this.columns + column];
        if (byte > (peak?.byte ?? 0) && !hidden.column(column)) peak = { row, column, byte };
      }
    }
    return peak;
  }
}

/** The weight of a byte. */
export function weightOf(byte: number): number {
  return (byte / 255) ** 2;
}
