/** What the edits of a pass do to the heads and lines of one layer, for marks in the views. Pure. */

import type { Edit } from "../wire/messages";

/** A head whose output or vectors were changed. */
export interface HeadMark {
  /** The factor of its output; null if its output was not scaled. */
  readonly factor: number | null;
}

/** A line that an edit cut, or whose weight it set. */
export interface LineMark {
  readonly head: number;
  readonly query: number;
  readonly key: number;
  /** The weight that was set, of all keys of the edit together; null for a cut line. */
  readonly weight: number | null;
}

export interface EditMarks {
  /** Every head of the layer that an edit names. */
  readonly heads: ReadonlyMap<number, HeadMark>;
  readonly lines: readonly LineMark[];
}

export const NO_MARKS: EditMarks = { heads: new Map(), lines: [] };

/** The most lines of one edit that are marked. */
const MOST_LINES = 400;

/** Marks for a layer of a stack. `edits` are those of a trace, which name tokens by index. */
export function editMarks(edits: readonly Edit[], stack: string, layer: number): EditMarks {
  const own = edits.filter(
    (edit) => edit.layer === layer && (edit.stack == null || edit.stack === stack) && isIndex(edit.head),
  );
  if (own.length === 0) return NO_MARKS;
  const heads = new Map<number, HeadMark>();
  const lines: LineMark[] = [];
  for (const edit of own) {
    const head = edit.head as number;
    const before = heads.get(head)?.factor ?? null;
    const scaled = edit.type === "ScaleHead" && typeof edit.factor === "number" ? edit.factor : null;
    heads.set(head, { factor: scaled === null ? before : (before ?? 1) * scaled });
    const cut = edit.type === "CutEdge";
    if (!cut && edit.type !== "SetAttention") continue;
    const weight = !cut && typeof edit.weight === "number" ? edit.weight : null;
    const pairs = indicesOf(edit.query).flatMap((query) =>
      indicesOf(edit.key).map((key) => ({ head, query, key, weight })),
    );
    lines.push(...pairs.slice(0, MOST_LINES));
  }
  return { heads, lines };
}

/** The heads of the marks whose output is multiplied by 0. */
export function headsOff({ heads }: EditMarks): readonly number[] {
  return [...heads].flatMap(([head, { factor }]) => (factor === 0 ? [head] : []));
}

/** How an edit changed a line: `set by a change`, `cut by a change`; null if none did. */
export function lineMarkWords(
  { lines }: EditMarks,
  at: { readonly head: number; readonly query: number; readonly key: number },
): string | null {
  const mark = lines.findLast(
    ({ head, query, key }) => head === at.head && query === at.query && key === at.key,
  );
  if (mark === undefined) return null;
  return mark.weight === null ? "cut by a change" : "set by a change";
}

function indicesOf(value: unknown): readonly number[] {
  return (Array.isArray(value) ? value : [value]).filter(isIndex);
}

function isIndex(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0;
}
