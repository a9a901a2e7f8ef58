/** Tables as CSV (RFC 4180): numbers at full precision, with `.` as decimal separator. Pure. */

export type Cell = string | number | null;

export interface Table {
  /** A file name without extension. */
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

export function csvOf({ columns, rows }: Table): string {
  return [columns, ...rows].map((cells) => `${cells.map(written).join(",")}\n`).join("");
}

/** Missing values are empty; pandas, R and spreadsheets read `inf` and `-inf`. */
function written(cell: Cell): string {
  if (cell === null) return "";
  if (typeof cell === "number") {
    if (Number.isNaN(cell)) return "";
    return Number.isFinite(cell) ? String(cell) : cell > 0 ? "inf" : "-inf";
  }
  const text = cell.toWellFormed();
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
