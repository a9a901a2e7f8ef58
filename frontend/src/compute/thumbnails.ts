/** Thumbnails of the heads of one layer: bytes, round(255·√α), of the largest weight in each cell. */

import type { OverviewMessage } from "../wire/messages";
import { DamagedError } from "../wire/safetensors";
import { codesOf, differenceOf } from "./signedCode";

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
  /** What differs from a baseline; null without one. */
  readonly difference: ThumbnailDifference | null;
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
    this.difference = message.baseline === undefined ? null : new ThumbnailDifference(message);
  }

  /** Whether the other ones show the same cells of the same layer and part, without any difference. */
  equals(other: Thumbnails): boolean {
    return (
      sameMarks(this.difference, other.difference) &&
      this.layer === other.layer &&
      this.heads === other.heads &&
      this.rows === other.rows &&
      this.columns === other.columns &&
      String(this.pooled) === String(other.pooled) &&
      JSON.stringify(this.part) === JSON.stringify(other.part) &&
      this.#bytes.every((byte, at) => byte === other.#bytes[at])
    );
  }

  /** The cells of a head, row by row, as a view of the message's bytes. */
  cells(head: number): Uint8Array {
    const size = this.rows * this.columns;
    return this.#bytes.subarray(head * size, (head + 1) * size);
  }

  /** A copy of a head's cells, with hidden cells set to zero. */
  shownCells(head: number, hidden: Hidden): Uint8Array {
    return withoutHidden(this.cells(head), this, hidden);
  }

  /** The largest cell that is not hidden; null if all are hidden or zero. */
  peak(head: number, hidden: Hidden): Cell | null {
    return peakOf(this.cells(head), this, hidden);
  }
}

/** The differences of the heads of one layer: in each cell, the code of the largest |difference| (`signedCode.ts`). */
export class ThumbnailDifference {
  readonly rows: number;
  readonly columns: number;
  /** Whether every weight of the layer equals that of the baseline. */
  readonly unchanged: boolean;
  /** The largest |difference| in the layer, whatever part the thumbnails show. */
  readonly largest: number;
  /** Null if nothing differs. */
  readonly #codes: Uint8Array | null;

  constructor(message: OverviewMessage) {
    const { layer, heads, rows, columns, unchanged = false, largest = 0 } = message;
    [this.rows, this.columns, this.unchanged, this.largest] = [rows, columns, unchanged, largest];
    const tensor = message.tensors.get("difference");
    const wanted = [heads, rows, columns].join(" × ");
    if (!unchanged && !(tensor?.data instanceof Int8Array && tensor.shape.join(" × ") === wanted)) {
      throw new DamagedError(
        `The differences of layer ${layer} must have shape ${wanted}; got ${tensor?.shape.join(" × ") ?? "none"}.`,
      );
    }
    this.#codes = unchanged ? null : codesOf(tensor?.data as Int8Array);
  }

  /** A copy of a head's codes, with hidden cells set to zero; null if none of them differs. */
  shownCodes(head: number, hidden: Hidden): Uint8Array | null {
    const own = this.#of(head);
    if (own === null) return null;
    const codes = withoutHidden(own, this, hidden);
    return codes.some((code) => code > 0) ? codes : null;
  }

  /** The largest difference that is not hidden; null if there is none. */
  peak(
    head: number,
    hidden: Hidden,
  ): { readonly row: number; readonly column: number; readonly value: number } | null {
    const own = this.#of(head);
    const peak = own === null ? null : peakOf(own, this, hidden);
    return peak === null ? null : { row: peak.row, column: peak.column, value: differenceOf(peak.byte) };
  }

  #of(head: number): Uint8Array | null {
    const size = this.rows * this.columns;
    return this.#codes?.subarray(head * size, (head + 1) * size) ?? null;
  }
}

/** Whether two passes are shown alone, or both are equal to their baselines. */
function sameMarks(a: ThumbnailDifference | null, b: ThumbnailDifference | null): boolean {
  return a === null || b === null ? a === b : a.unchanged && b.unchanged;
}

type Size = Pick<Thumbnails, "rows" | "columns">;

function withoutHidden(all: Uint8Array, { rows, columns }: Size, hidden: Hidden): Uint8Array {
  const cells = all.slice();
  for (let row = 0; row < rows; row++) {
    if (hidden.row(row)) cells.fill(0, row * columns, (row + 1) * columns);
  }
  for (let column = 0; column < columns; column++) {
    if (!hidden.column(column)) continue;
    for (let row = 0; row < rows; row++) cells[row * columns + column] = 0;
  }
  return cells;
}

function peakOf(cells: Uint8Array, { rows, columns }: Size, hidden: Hidden): Cell | null {
  let peak: Cell | null = null;
  for (let row = 0; row < rows; row++) {
    if (hidden.row(row)) continue;
    for (let column = 0; column < columns; column++) {
      const byte = cells[row * columns + column];
      if (byte > (peak?.byte ?? 0) && !hidden.column(column)) peak = { row, column, byte };
    }
  }
  return peak;
}

/** The weight of a byte. */
export function weightOf(byte: number): number {
  return (byte / 255) ** 2;
}
