import { expect, test } from "vitest";
import { rowsInSight } from "../src/views/shared/visibleRows";

test("rows in sight are those that a box of that height covers, and some beyond both edges", () => {
  for (const count of [0, 1, 7, 500]) {
    for (let top = 0; top <= count * 26; top += 13) {
      for (const room of [1, 26, 100]) {
        const { first, end } = rowsInSight(top, room, count, 26, 3);
        const covered = Array.from({ length: count }, (_, row) => row).filter(
          (row) => row * 26 < top + room && (row + 1) * 26 > top,
        );
        const wanted = covered.flatMap((row) => [row - 3, row, row + 3]);
        for (const row of wanted) expect(row < 0 || row >= count || (row >= first && row < end)).toBe(true);
        expect(end - first).toBeLessThanOrEqual(covered.length + 6);
        expect(end).toBeLessThanOrEqual(count);
      }
    }
  }
});

test("a box without room shows no rows", () => {
  expect(rowsInSight(0, 0, 500, 26, 3)).toEqual({ first: 0, end: 0 });
});
