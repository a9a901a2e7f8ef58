/** The order of the heads of a stack in the model view. Pure; the unit is a thumbnail with its gap. */

import type { HeadPlace } from "../../state/state";

export interface Slot extends HeadPlace {
  readonly column: number;
  readonly row: number;
}

/** A number in a gutter: a layer, a head, or a rank. */
export interface GutterNumber {
  readonly at: number;
  readonly text: string;
}

/** A block of rows with its own gutters; several are placed side by side if there is room. */
export interface Block {
  readonly column: number;
  readonly columns: number;
  readonly rowNumbers: readonly (GutterNumber & { readonly layer: number | null })[];
  readonly columnNumbers: readonly (GutterNumber & { readonly head: number })[];
}

export interface Placement {
  readonly columns: number;
  readonly rows: number;
  /** The slots row by row, in reading and keyboard order. */
  readonly lines: readonly (readonly Slot[])[];
  readonly blocks: readonly Block[];
  /** The label on each thumbnail, for what the gutters do not show. */
  readonly labels: "none" | "head" | "full";
  /** Rows of layers without attention. */
  readonly absent: readonly { readonly column: number; readonly row: number }[];
  of(place: HeadPlace): Slot | null;
  at(column: number, row: number): Slot | null;
}

export interface PlacementWish {
  /** Heads of each layer; 0 for a layer without attention. */
  readonly heads: readonly number[];
  /** Layers that are not included in an exported file; they get no row. */
  readonly leftOut?: readonly number[];
  readonly sort: "none" | "heads" | "layers" | "ranking";
  /** The value to sort by; null if heads are not sorted. */
  readonly value: ((place: HeadPlace) => number) | null;
  /** The heads to show; a ranking omits the others. */
  readonly within: (place: HeadPlace) => boolean;
  /** Blocks side by side. */
  readonly blocks: number;
  /** Thumbnails in a row of a ranking. */
  readonly across: number;
}

/** Space between blocks, for the layer numbers. */
const GUTTER = 0.9;
/** Width of a head's name, such as `29.8`, with its gap. */
const NAME_WIDTH = 33;

export function placementOf(wish: PlacementWish): Placement {
  const { heads, sort, value } = wish;
  if (value !== null && sort === "ranking") return ranked(wish, value);
  const widest = Math.max(1, ...heads);
  const order = heads.map((_, layer) => layer).filter((layer) => !wish.leftOut?.includes(layer));
  if (value !== null && sort === "layers") {
    const means = heads.map((count, layer) => meanOf(count, (head) => value({ layer, head })));
    order.sort((a, b) => descending(means[a], means[b]) || a - b);
  }
  const high = Math.max(1, Math.ceil(order.length / wish.blocks));
  const lines: Slot[][] = [];
  const absent: { column: number; row: number }[] = [];
  const blocks: Block[] = [];
  for (let block = 0; block * high < order.length; block++) {
    const column = block * (widest + GUTTER);
    const mine = order.slice(block * high, (block + 1) * high);
    mine.forEach((layer, row) => {
      if (heads[layer] === 0) absent.push({ column, row });
      const inRow = Array.from({ length: heads[layer] }, (_, head) => head);
      if (value !== null && sort === "heads") {
        const values = inRow.map((head) => value({ layer, head }));
        inRow.sort((a, b) => descending(values[a], values[b]) || a - b);
      }
      lines.push(inRow.map((head, at) => ({ layer, head, column: column + at, row })));
    });
    const byHead = value === null || sort !== "heads";
    blocks.push({
      column,
      columns: widest,
      rowNumbers: mine.map((layer, at) => ({ at, text: String(layer), layer })),
      columnNumbers: byHead
        ? Array.from({ length: widest }, (_, head) => ({ at: head, text: String(head), head }))
        : [],
    });
  }
  const columns = blocks.length * (widest + GUTTER) - GUTTER;
  const labels = value !== null && sort === "heads" ? "head" : "none";
  return placed(columns, high, lines, blocks, labels, absent);
}

function ranked({ heads, within, across }: PlacementWish, value: (place: HeadPlace) => number): Placement {
  const all = heads.flatMap((count, layer) =>
    Array.from({ length: count }, (_, head) => ({ layer, head, value: value({ layer, head }) })),
  );
  const kept = all.filter(within);
  kept.sort((a, b) => descending(a.value, b.value) || a.layer - b.layer || a.head - b.head);
  const lines: Slot[][] = [];
  kept.forEach(({ layer, head }, at) => {
    const [row, column] = [Math.floor(at / across), at % across];
    lines[row] ??= [];
    lines[row].push({ layer, head, column, row });
  });
  const rowNumbers = lines.map((_, row) => ({ at: row, text: String(row * across + 1), layer: null }));
  const rows = Math.max(1, Math.ceil(all.length / across));
  return placed(
    across,
    rows,
    lines,
    [{ column: 0, columns: across, rowNumbers, columnNumbers: [] }],
    "full",
    [],
  );
}

function placed(
  columns: number,
  rows: number,
  lines: readonly (readonly Slot[])[],
  blocks: readonly Block[],
  labels: Placement["labels"],
  absent: Placement["absent"],
): Placement {
  const byHead = new Map<number, Slot>();
  const byRow = new Map<number, Slot[]>();
  for (const slot of lines.flat()) {
    byHead.set(slot.layer * 4096 + slot.head, slot);
    const row = byRow.get(slot.row);
    if (row === undefined) byRow.set(slot.row, [slot]);
    else row.push(slot);
  }
  return {
    ...{ columns, rows, lines, blocks, labels, absent },
    of: ({ layer, head }) => byHead.get(layer * 4096 + head) ?? null,
    at: (column, row) =>
      byRow.get(Math.floor(row))?.find((slot) => slot.column <= column && column < slot.column + 1) ?? null,
  };
}

/** The number of blocks that makes thumbnails clearly larger than fewer blocks would. */
export function blocksFor(width: number, height: number, layers: number, heads: number): number {
  const size = (blocks: number): number => {
    const across = width / (blocks * (heads + GUTTER) - GUTTER);
    return Math.min(across, 1.25 * (height / Math.ceil(layers / blocks)), 150);
  };
  let best = 1;
  for (let blocks = 2; blocks <= Math.min(6, layers); blocks++) {
    if (size(blocks) > 1.2 * size(best)) best = blocks;
  }
  return best;
}

/** Thumbnails per row of a ranking: nearly square, but wide enough for their names. */
export function acrossFor(width: number, height: number, count: number): number {
  let best = 1;
  let largest = 0;
  for (let across = 1; across <= count; across++) {
    const wide = Math.min(width / across, 120);
    if (wide < NAME_WIDTH && best > 1) break;
    const size = Math.min(wide, 1.5 * (height / Math.ceil(count / across)));
    if (size > largest) [best, largest] = [across, size];
  }
  return best;
}

function meanOf(count: number, value: (head: number) => number): number {
  const values = Array.from({ length: count }, (_, head) => value(head)).filter(
    (each) => !Number.isNaN(each),
  );
  return values.length === 0 ? Number.NaN : values.reduce((sum, each) => sum + each, 0) / values.length;
}

/** Sorts values in descending order, with undefined values last. */
function descending(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return b - a;
}
