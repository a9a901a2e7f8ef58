/** Replaces rows computed in the browser by exact ones from the host, for pinned and selected tokens. */

import { createEffect } from "solid-js";
import type { ComparedLayer } from "../../compute/differenceLayer";
import type { LayerField } from "../../compute/layerField";
import type { Session } from "../../state/session";
import { allHeads, type Comparison, type Field, type Place } from "../../state/state";

/** Requests the exact rows of pinned and selected queries, once per layer, in the shown pass and in the one compared with it. */
export function followExactRows(
  session: Session,
  drawable: () => LayerField | null,
  compared: () => ComparedLayer | null,
  onKnown: () => void,
): (rows: readonly number[]) => Promise<void> {
  createEffect(() => {
    const layer = drawable();
    const { pins, selection, comparison, field } = session.state();
    const places: readonly Place[] = selection.token ? [...pins, selection.token] : pins;
    // While the next layer is loading, the previous one is still drawn. Do not request its rows.
    const current = layer?.layer === selection.layer && layer.stack === selection.stack;
    if (layer === null || layer.error === 0 || !current) return;
    const rows = [...new Set(places.filter((at) => at.side === "query").map((at) => at.index))].filter(
      (row) => row < layer.queries,
    );
    void requestAll(layer, rows, comparison, field);
  });

  /** Requests rows of the shown pass, and those that correspond to them in the other one. */
  async function requestAll(
    layer: LayerField,
    rows: readonly number[],
    comparison: Comparison | null,
    field: Field,
  ): Promise<void> {
    const both = compared();
    if (both === null || comparison === null) {
      if (!layer.signed) await request(layer, rows, null);
      return;
    }
    const before = field === "before";
    const there = rows.flatMap((row) => {
      const other = before ? both.correspondence.queries.indexOf(row) : both.correspondence.queries[row];
      return other === undefined || other < 0 ? [] : [other];
    });
    const { current: after, baseline } = both;
    const beside = (before ? comparison.current : comparison.baseline).trace;
    await Promise.all([
      request(before ? baseline : after, rows, null),
      request(before ? after : baseline, there, beside),
    ]);
  }

  async function request(layer: LayerField, rows: readonly number[], beside: string | null): Promise<void> {
    const missing = rows.filter((row) => !layer.exact(0, row));
    if (missing.length === 0) return;
    const tile = await session.tile(allHeads(session.state()), missing, beside);
    const weights = tile?.tensors.get("attention")?.data;
    const scores = tile?.tensors.get("scores")?.data;
    if (tile?.layer !== layer.layer || tile.stack !== layer.stack || !(weights instanceof Float32Array))
      return;
    tile.heads.forEach((head, h) => {
      tile.rows.forEach((row, r) => {
        const from = (h * tile.rows.length + r) * layer.keys;
        const cut = (all: Float32Array) => all.slice(from, from + layer.keys);
        layer.correct(head, row, cut(weights), scores instanceof Float32Array ? cut(scores) : null);
      });
    });
    onKnown();
  }

  return async (rows) => {
    const layer = drawable();
    const { comparison, field } = session.state();
    if (layer !== null && layer.error > 0) await requestAll(layer, rows, comparison, field);
  };
}
