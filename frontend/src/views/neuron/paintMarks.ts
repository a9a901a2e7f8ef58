/** The upper canvas of the neuron view: highlights of a row, and of dimensions in every row and column. */

import { rowY, visibleRows } from "../shared/tokenLayout";
import { boxesOf, stripHeight } from "./columns";
import type { Scene } from "./scene";

export interface Marks {
  /** The key row under the pointer or the keyboard cursor. */
  readonly key: number | null;
  /** Places (not dimensions) along the vectors: under the pointer, and marked. A pair has two. */
  readonly hovered: readonly number[];
  readonly kept: readonly number[];
  /** The place in a value vector under the pointer. */
  readonly value: number | null;
}

export function paintMarks(context: CanvasRenderingContext2D, scene: Scene, marks: Marks): void {
  const { columns, layout, scroll, vectors, side, theme } = scene;
  const height = stripHeight(layout.rowHeight);
  const [first, last] = visibleRows(layout, scroll, Math.max(vectors.queries, vectors.keys));
  if (marks.key !== null) {
    const y = rowY(layout, marks.key, scroll) - height / 2;
    context.strokeStyle = theme.ink;
    context.lineWidth = 1.5;
    context.beginPath();
    for (const x of [columns.k, columns.product])
      context.rect(x - 1.5, y - 1.5, columns.span + 3, height + 3);
    if (columns.values !== null)
      context.rect(columns.values.x - 1.5, y - 1.5, columns.values.span + 3, height + 3);
    context.stroke();
  }
  const outline = (
    xs: readonly number[],
    shape: { readonly span: number; readonly fold: number },
    dim: number,
    places: readonly number[],
    color: string,
    width: number,
  ): void => {
    const boxes = boxesOf(shape, dim, height, places);
    context.strokeStyle = color;
    context.lineWidth = width;
    context.beginPath();
    const top = Math.max(1, rowY(layout, first, scroll) - height / 2 - 1);
    const bottom = Math.min(layout.height - 1, rowY(layout, last - 1, scroll) + height / 2 + 1);
    for (const x of xs) {
      for (const box of boxes) {
        const grow = box.width < 4 ? 1.5 : 0.5;
        const rect = (y: number, tall: number) =>
          context.rect(x + box.x - grow, y, box.width + 2 * grow, tall);
        if (box.height > height - 1) rect(top, bottom - top);
        else {
          for (let row = first; row < last; row++)
            rect(rowY(layout, row, scroll) - height / 2 + box.y, box.height);
        }
      }
    }
    context.stroke();
  };
  const vectorsAt = [columns.q, columns.k, columns.product];
  const { hovered, kept } = marks;
  if (hovered.length > 0 && hovered[0] !== kept[0])
    outline(vectorsAt, columns, vectors.dim, hovered, theme.ink2, 1);
  if (kept.length > 0) outline(vectorsAt, columns, vectors.dim, kept, theme.ink, 1.5);
  if (marks.value !== null && columns.values !== null && side !== null) {
    const shape = { span: columns.values.span, fold: columns.fold };
    outline([columns.values.x], shape, side.values.dim, [marks.value], theme.ink2, 1);
  }
}
