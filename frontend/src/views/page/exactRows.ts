/** Replaces rows computed in the browser by exact ones from the host, for pinned and selected tokens. */

import { createEffect } from "solid-js";
import type { LayerField } from "../../compute/layerField";
import type { Session } from "../../state/session";
import { allHeads, type Place } from "../../state/state";

/** Requests the exact rows of pinned and selected queries, once per layer. */
export function followExactRows(
  session: Session,
  drawable: () => LayerField | null,
  onKnown: () => void,
): void {
  createEffect(() => {
    const layer = drawable();
    const { pins, selection } = session.state();
    const places: readonly Place[] = selection.token ? [...pins, selection.token] : pins;
    // While the next layer is loading, the previous one is still drawn. Do not request its rows.
    const current = layer?.layer === selection.layer && layer.stack === selection.stack;
    if (layer === null || layer.error === 0 || !current) return;
    const rows = [...new Set(places.filter((at) => at.side === "query").map((at) => at.index))].filter(
      (row) => row < layer.queries && !layer.exact(0, row),
    );
    if (rows.length === 0) return;
    void session.tile(allHeads(session.state()), rows).then((tile) => {
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
    });
  });
}
