/** The readout for a head, from its thumbnail. Pure. */

import { type Thumbnails, weightOf } from "../../compute/thumbnails";
import { differenceText, repeatedWords, word } from "../../marks/format";
import type { HeadMark } from "../../state/editMarks";
import type { HeadPlace } from "../../state/state";
import type { Token } from "../../wire/messages";
import { type Counterparts, pairedWord } from "../shared/counterparts";
import { cellRules, type Rules } from "./thumbnailStyle";

export interface HeadReadout extends HeadPlace {
  /** The largest weight without attention sinks: `She → nurse 0.48`; null if there is none. */
  readonly largest: { readonly from: string; readonly to: string; readonly weight: string } | null;
  readonly note: string;
  /** What was done to the head: `changed` or `off`; null if nothing. */
  readonly mark: string | null;
}

export function headReadout(
  place: HeadPlace,
  thumbnails: Thumbnails | null,
  rules: Rules,
  sinkName: string,
): HeadReadout {
  if (thumbnails === null) return { ...place, mark: null, largest: null, note: "loading" };
  const { hidden, sink } = cellRules(rules, thumbnails);
  const off = { row: hidden.row, column: (column: number) => hidden.column(column) || sink(column) };
  const peak = thumbnails.peak(place.head, off) ?? thumbnails.peak(place.head, hidden);
  if (peak === null) return { ...place, mark: null, largest: null, note: "no weights to show" };
  const [high, wide] = thumbnails.pooled;
  return {
    ...place,
    mark: null,
    largest: {
      from: cellName(rules.queries, thumbnails.part?.queries[0] ?? 0, peak.row, high),
      to: cellName(rules.keys, thumbnails.part?.keys[0] ?? 0, peak.column, wide),
      weight: weightOf(peak.byte).toFixed(2),
    },
    note: sink(peak.column) ? "" : rules.sinks.size > 0 ? `largest without the ${sinkName}` : "largest",
  };
}

/** What a head's mark says; null without one. */
export function markName(mark: HeadMark | null): "changed" | "off" | null {
  if (mark === null) return null;
  return mark.factor === 0 ? "off" : "changed";
}

/** The readout for the difference of a head from the baseline. */
export function differenceReadout(
  place: HeadPlace,
  thumbnails: Thumbnails | null,
  rules: Rules,
  counterparts: Counterparts | null,
): HeadReadout {
  const difference = thumbnails?.difference ?? null;
  if (thumbnails === null || difference === null)
    return { ...place, mark: null, largest: null, note: "loading" };
  const { hidden } = cellRules(rules, thumbnails);
  const peak = difference.peak(place.head, hidden);
  if (peak === null) {
    return {
      ...place,
      mark: null,
      largest: null,
      note: difference.unchanged ? "no change in this layer" : "no change",
    };
  }
  const [high, wide] = thumbnails.pooled;
  const { queries, keys } = rules;
  return {
    ...place,
    mark: null,
    largest: {
      from: cellName(queries, thumbnails.part?.queries[0] ?? 0, peak.row, high, counterparts?.query),
      to: cellName(keys, thumbnails.part?.keys[0] ?? 0, peak.column, wide, counterparts?.key),
      weight: differenceText(peak.value, 2),
    },
    note: "largest change",
  };
}

export function spokenHead({ layer, head, largest, note, mark }: HeadReadout): string {
  const changed = mark === null ? "" : `, ${mark}`;
  if (largest === null) return `Head ${layer}.${head}, ${note}${changed}`;
  return `Head ${layer}.${head}: ${largest.from} to ${largest.to} ${largest.weight}${note && `, ${note}`}${changed}`;
}

/** A token by its word and position, or the range of positions in a cell. */
function cellName(
  tokens: readonly Token[],
  first: number,
  cell: number,
  size: number,
  counterparts?: readonly (Token | null)[],
): string {
  const from = first + cell * size;
  const to = Math.min(tokens.length, from + size) - 1;
  if (to > from) return `tokens ${from}–${to}`;
  const token = tokens[from];
  if (token === undefined) return String(from);
  const name = pairedWord(tokens, from, counterparts);
  return repeatedWords(tokens).has(word(token)) ? `${name}\u00a0${from}` : name;
}
