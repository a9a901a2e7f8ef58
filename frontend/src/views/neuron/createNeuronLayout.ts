/** Where the neuron view puts its columns, and the order of the dimensions within them. */

import { type Accessor, createMemo } from "solid-js";
import { stacked, unitsOf } from "../../compute/rotaryPairs";
import { longestName } from "../shared/counterparts";
import { layOutColumns, type TokenLayout } from "../shared/tokenLayout";
import { columnsFor, extrasOf } from "./columns";
import type { NeuronGridProps } from "./gridProps";
import { groupOf } from "./scene";

export interface NeuronRoom {
  /** Size of the window, and how far it is scrolled horizontally, CSS pixels. */
  readonly room: Accessor<number>;
  readonly height: Accessor<number>;
  readonly aside: Accessor<number>;
}

export function createNeuronLayout(props: NeuronGridProps, { room, height, aside }: NeuronRoom) {
  const dim = () => props.vectors.dim;
  const rows = () => Math.max(props.vectors.queries, props.vectors.keys);
  const longest = createMemo(() => {
    const { queries, keys, counterparts } = props.shown;
    return Math.max(longestName(queries, counterparts?.query), longestName(keys, counterparts?.key));
  });
  const rough = createMemo(() => layOutColumns(room(), height(), rows(), longest()));
  const columns = createMemo(() =>
    columnsFor({
      room: room(),
      dim: dim(),
      rowHeight: rough().rowHeight,
      fontSize: rough().fontSize,
      longest: longest(),
      extras: extrasOf(props.vectors),
      values: props.side && {
        dim: props.side.values.dim,
        norms: props.side.values.transformed !== null,
      },
    }),
  );
  /** The dimension at each place; null for index order. */
  const order = createMemo(() =>
    props.sequence === null || props.pairing === null
      ? props.sequence
      : stacked(props.sequence, columns().fold),
  );
  const placeOf = (dimension: number): number => order()?.indexOf(dimension) ?? dimension;
  const group = createMemo(() => groupOf(unitsOf(props.pairing, dim()), placeOf, dim(), columns().fold));
  const layout = createMemo<TokenLayout>(() => ({
    ...rough(),
    width: columns().width,
    fontSize: columns().fontSize,
    queryX: columns().queryX,
    keyX: columns().keyX,
    column: columns().token,
  }));
  /** The query tokens stay visible when the view is scrolled horizontally. */
  const stuck = createMemo<TokenLayout>(() => ({ ...layout(), queryX: Math.max(columns().queryX, aside()) }));
  return { columns, order, placeOf, group, layout, stuck };
}
