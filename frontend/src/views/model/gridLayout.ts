/** The layout of the model view: order of heads, camera, and the head shown as a matrix. */

import { type Accessor, createEffect, createMemo, on } from "solid-js";
import type { Part } from "../../compute/matrices";
import type { HeadPlace } from "../../state/state";
import { longestName } from "../shared/counterparts";
import { type Filling, framing, viewOf } from "./camera";
import { gridOf, roomOf } from "./grid";
import type { ModelGridProps } from "./gridProps";
import { type MatrixFrame, matrixFrameOf } from "./matrixFrame";
import { createMotion } from "./motion";
import { acrossFor, blocksFor, placementOf } from "./placement";

export type GridLayout = ReturnType<typeof createGridLayout>;

export function createGridLayout(
  props: ModelGridProps,
  size: Accessor<{ readonly width: number; readonly height: number }>,
) {
  const ranking = () => props.sort === "ranking" && props.value !== null;
  const placement = createMemo(() => {
    const { heads, leftOut, sort, value, within } = props;
    const room = roomOf(size().width, size().height);
    const rows = heads.length - leftOut.length;
    const count = heads.reduce((sum, each) => sum + each, 0);
    return placementOf({
      ...{ heads, leftOut, sort, value, within },
      blocks: ranking() ? 1 : blocksFor(room.width, room.height, rows, Math.max(1, ...heads)),
      across: ranking() ? acrossFor(room.width, room.height, Math.max(1, count)) : 1,
    });
  });
  const grid = createMemo(
    () =>
      gridOf({
        ...size(),
        columns: placement().columns,
        rows: placement().rows,
        look: props.look,
      }),
    undefined,
    { equals: sameFields },
  );
  const longest = createMemo(() => {
    const { counterparts, rules } = props;
    return {
      query: longestName(rules.queries, counterparts?.query),
      key: longestName(rules.keys, counterparts?.key),
    };
  });
  const partOf = (place: HeadPlace): Part =>
    props.layers.get(place.layer)?.part ?? {
      queries: [0, Math.max(1, props.rules.queries.length)],
      keys: [0, Math.max(1, props.rules.keys.length)],
    };
  const part = createMemo(() => partOf({ layer: props.layers.keys().next().value ?? 0, head: 0 }));
  const filling = createMemo(
    (): Filling => {
      const { queries, keys } = part();
      const share = size().width * 0.26;
      const room = (letters: number, least: number, most: number) =>
        Math.round(Math.max(least, Math.min(most, 7 * letters + 16)));
      return {
        left: room(longest().query, 66, Math.max(70, Math.min(120, share))),
        top: room(longest().key, 58, 92),
        queries: queries[1] - queries[0],
        keys: keys[1] - keys[0],
      };
    },
    undefined,
    { equals: sameFields },
  );
  const motion = createMotion({
    grid,
    filling,
    stored: () => props.camera,
    onStore: (camera) => props.onCamera(camera),
  });
  const view = createMemo(() => viewOf(grid(), filling(), motion.camera()));
  const frame = createMemo((): MatrixFrame | null =>
    size().width === 0 ? null : matrixFrameOf(grid(), filling(), view(), placement(), partOf),
  );
  createEffect(
    on(
      [grid, filling],
      ([now, of]) => {
        const place = motion.framed();
        const slot = place === null ? null : placement().of(place);
        if (slot !== null && place !== null) motion.glide(framing(now, of, slot), place);
      },
      { defer: true },
    ),
  );

  return { placement, grid, filling, partOf, motion, view, frame };
}

function sameFields<T extends object>(a: T, b: T): boolean {
  return (Object.keys(a) as (keyof T)[]).every((name) => a[name] === b[name]);
}
