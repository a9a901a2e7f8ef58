/** Where rows and columns of the head view stand. Pure. */

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly rowHeight: number;
  readonly fontSize: number;
  /** Space above the first row. */
  readonly top: number;
  /** Left edge and width of the query column, the lines, and the key column. */
  readonly queryX: number;
  readonly keyX: number;
  readonly column: number;
  readonly lineX0: number;
  readonly lineX1: number;
  /** Height of all rows together. */
  readonly extent: number;
}

const WIDEST = 900;
const ROW = { least: 24, most: 62 };

export function layOut(width: number, height: number, rows: number, longestToken: number): Layout {
  const rowHeight = Math.max(ROW.least, Math.min(ROW.most, Math.floor((height - 24) / Math.max(1, rows))));
  const inner = Math.min(width - 24, WIDEST);
  const roomy = inner > 420;
  const fontSize = rowHeight >= 44 && roomy ? 16 : rowHeight >= 34 ? 15 : rowHeight >= 28 ? 14 : 13;
  const wanted = longestToken * fontSize * 0.6 + 62;
  // The lines keep a third of a narrow view, however long the words.
  const column = Math.round(
    Math.max(84, Math.min(Math.max(inner * 0.28, Math.min(inner * 0.345, wanted)), 230, wanted)),
  );
  const left = Math.round((width - inner) / 2);
  const extent = rows * rowHeight;
  return {
    width,
    height,
    rowHeight,
    fontSize,
    top: 12,
    queryX: left,
    keyX: left + inner - column,
    column,
    lineX0: left + column + 6,
    lineX1: left + inner - column - 6,
    extent: extent + 24,
  };
}

/** Middle of a row, in the window scrolled by `scroll`. */
export function rowY(layout: Layout, index: number, scroll: number): number {
  return layout.top + (index + 0.5) * layout.rowHeight - scroll;
}

export function rowAt(layout: Layout, y: number, scroll: number, rows: number): number | null {
  const index = Math.floor((y + scroll - layout.top) / layout.rowHeight);
  return index >= 0 && index < rows ? index : null;
}

/** Rows that touch the window, with `margin` more on both sides: first, and one after the last. */
export function visibleRows(
  layout: Layout,
  scroll: number,
  rows: number,
  margin = 0,
): readonly [number, number] {
  const first = Math.floor((scroll - layout.top) / layout.rowHeight) - margin;
  const last = Math.ceil((scroll + layout.height - layout.top) / layout.rowHeight) + margin;
  return [Math.max(0, Math.min(rows, first)), Math.max(0, Math.min(rows, last))];
}
