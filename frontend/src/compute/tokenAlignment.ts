/** The alignment of two continuations by their longest common subsequence. Pure. */

/** A column: the indices of the tokens in both rows, null where a row has a gap. */
export interface Column {
  readonly before: number | null;
  readonly after: number | null;
  /** Whether both rows have the same token here. */
  readonly same: boolean;
}

/**
 * Columns that pair equal tokens, as many as possible; between them, different tokens stand beside each other. Of two equally
 * long alignments, the one that pairs tokens earlier.
 */
export function alignedColumns(before: readonly number[], after: readonly number[]): readonly Column[] {
  const lengths = commonLengths(before, after);
  const columns: Column[] = [];
  let gap: { before: number[]; after: number[] } = { before: [], after: [] };
  const close = (): void => {
    for (let at = 0; at < Math.max(gap.before.length, gap.after.length); at++)
      columns.push({ before: gap.before[at] ?? null, after: gap.after[at] ?? null, same: false });
    gap = { before: [], after: [] };
  };
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      close();
      columns.push({ before: i++, after: j++, same: true });
    } else if (j >= after.length || (i < before.length && lengths[i + 1][j] >= lengths[i][j + 1])) {
      gap.before.push(i++);
    } else {
      gap.after.push(j++);
    }
  }
  close();
  return columns;
}

/** The length of the longest common subsequence of `before` from i and `after` from j, for all i and j. */
function commonLengths(before: readonly number[], after: readonly number[]): readonly Int32Array[] {
  const lengths = Array.from({ length: before.length + 1 }, () => new Int32Array(after.length + 1));
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      lengths[i][j] =
        before[i] === after[j] ? lengths[i + 1][j + 1] + 1 : Math.max(lengths[i + 1][j], lengths[i][j + 1]);
    }
  }
  return lengths;
}

/** How many columns have the same token in both rows. */
export function sameCount(columns: readonly Column[]): number {
  return columns.filter(({ same }) => same).length;
}
