/** The readout for a head, from its thumbnail. Pure. */

import { type Thumbnails, weightOf } from "../../compute/thumbnails";
import { repeatedWords, word } from "../../marks/format";
import type { HeadPlace } from "../../state/state";
import type { Token } from "../../wire/messages";
import { cellRules, type Rules } from "./thumbnailStyle";

export interface HeadReadout extends HeadPlace {
  /** The largest weight without attention sinks: `She → nurse 0.48`; null if there is none. */
  readonly largest: { readonly from: string; readonly to: string; readonly weight: string } | null;
  readonly note: string;
}

export function headReadout(
  place: HeadPlace,
  thumbnails: Thumbnails | null,
  rules: Rules,
  sinkName: string,
): HeadReadout {
  if (thumbnails === null) return { ...place, largest: null, note: "loading" };
  const { hidden, sink } = cellRules(rules, thumbnails);
  const off = { row: hidden.row, column: (column: number) => hidden.column(column) || sink(column) };
  const peak = thumbnails.peak(place.head, off) ?? thumbnails.peak(place.head, hidden);
  if (peak === null) return { ...place, largest: null, note: "no weights to show" };
  const [high, wide] = thumbnails.pooled;
  return {
    ...place,
    largest: {
      from: cellName(rules.queries, thumbnails.part?.queries[0] ?? 0, peak.row, high),
      to: cellName(rules.keys, thumbnails.part?.keys[0] ?? 0, peak.column, wide),
      weight: weightOf(peak.byte).toFixed(2),
    },
    note: sink(peak.column) ? "" : rules.sinks.size > 0 ? `largest without the ${sinkName}` : "largest",
  };
}

export function spokenHead({ layer, head, largest, note }: HeadReadout): string {
  if (largest === null) return `Head ${layer}.${head}, ${note}`;
  return `Head ${layer}.${head}: ${largest.from} to ${largest.to} ${largest.weight}${note && `, ${note}`}`;
}

/** A token by its word and position, or the range of positions in a cell. */
function cellName(tokens: readonly Token[], first: number, cell: number, size: number): string {
  const from = first + cell * size;
  const to = Math.min(tokens.length, from + size) - 1;
  if (to > from) return `tokens ${from}–${to}`;
  const token = tokens[from];
  if (token === undefined) return String(from);
  return repeatedWords(tokens).has(word(token)) ? `${word(token)}\u00a0${from}` : word(token);
}
