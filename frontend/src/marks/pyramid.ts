/** A max-pooling image pyramid: each cell keeps the largest of the cells it covers, so isolated lines stay visible. */

export interface Plane {
  readonly rows: number;
  readonly columns: number;
  /** Row by row. */
  readonly cells: Uint8Array;
}

/** Half as many rows and columns, rounded up. */
export function halve({ rows, columns, cells }: Plane): Plane {
  const [high, wide] = [(rows + 1) >> 1, (columns + 1) >> 1];
  const halved = new Uint8Array(high * wide);
  for (let row = 0; row < rows; row++) {
    const from = row * columns;
    const to = (row >> 1) * wide;
    for (let column = 0; column < columns; column++) {
      const at = to + (column >> 1);
      if (cells[from + column] > halved[at]) halved[at] = cells[from + column];
    }
  }
  return { rows: high, columns: wide, cells: halved };
}

/** The levels of one image, computed on first use. */
export class Pyramid {
  readonly #levels: Plane[];

  constructor(plane: Plane) {
    this.#levels = [plane];
  }

  /** The coarsest level with at least `rows` × `columns` cells, or else the finest. */
  level(rows: number, columns: number): Plane {
    for (let at = 0; ; at++) {
      const now = this.#levels[at];
      const [high, wide] = [(now.rows + 1) >> 1, (now.columns + 1) >> 1];
      if (high < rows || wide < columns || (high === now.rows && wide === now.columns)) return now;
      this.#levels[at + 1] ??= halve(now);
    }
  }
}
