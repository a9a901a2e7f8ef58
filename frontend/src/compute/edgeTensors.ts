/** Computes one edge in every head from the layers, in the format of a host's response (docs/reference/wire.md). Pure. */

import type { LayerMessage } from "../wire/messages";
import type { Tensor } from "../wire/safetensors";
import { layerField } from "./layerField";

const WHOLE = ["layer", "head", "rank", "rank_off_sink", "among", "among_off_sink"] as const;
const REAL = ["weight", "weight_off_sink", "score"] as const;

type Columns = Record<(typeof WHOLE)[number] | (typeof REAL)[number], number[]>;

/** The tensors of an `edge` response, filled layer by layer. */
export class EdgeTensors {
  readonly #columns: Columns;

  constructor(
    private readonly query: number,
    private readonly key: number,
    private readonly sinks: ReadonlySet<number>,
  ) {
    this.#columns = Object.fromEntries([...WHOLE, ...REAL].map((name) => [name, []])) as unknown as Columns;
  }

  /** Adds the heads of a layer. */
  add(message: LayerMessage): void {
    const field = layerField(message);
    const query = this.query;
    const key = this.key;
    const sinks = this.sinks;
    const columns = this.#columns;
    for (let head = 0; head < field.heads; head++) {
      const row = field.row(head, query);
      let rest = 0;
      const places = { rank: 1, among: 0, rankOff: 1, amongOff: 0 };
      for (let other = 0; other < row.length; other++) {
        if (!field.allowed(head, query, other)) continue;
        places.among += 1;
        if (row[other] > row[key]) places.rank += 1;
        if (sinks.has(other)) continue;
        rest += row[other];
        places.amongOff += 1;
        if (row[other] > row[key]) places.rankOff += 1;
      }
      const allowed = field.allowed(head, query, key);
      const off = rest > 0 && !sinks.has(key) ? row[key] / rest : Number.NaN;
      columns.layer.push(field.layer);
      columns.head.push(head);
      columns.weight.push(row[key]);
      columns.weight_off_sink.push(off);
      columns.score.push(field.score(head, query, key) ?? Number.NaN);
      columns.rank.push(allowed ? places.rank : 0);
      columns.rank_off_sink.push(allowed && !Number.isNaN(off) ? places.rankOff : 0);
      columns.among.push(places.among);
      columns.among_off_sink.push(places.amongOff);
    }
  }

  /** The tensors over all heads so far. */
  tensors(): Map<string, Tensor> {
    const shape = [this.#columns.layer.length];
    const tensors = new Map<string, Tensor>();
    for (const name of WHOLE) tensors.set(name, { shape, data: Int32Array.from(this.#columns[name]) });
    for (const name of REAL) tensors.set(name, { shape, data: Float32Array.from(this.#columns[name]) });
    return tensors;
  }
}
