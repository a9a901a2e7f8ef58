/** The tokens of the baseline that the tokens of the current pass correspond to. Pure. */

import { face, longestToken, word } from "../../marks/format";
import type { Side } from "../../state/state";
import type { Token } from "../../wire/messages";

/** For each token, the one of the baseline; null if it is not aligned. */
export type Counterparts = Readonly<Record<Side, readonly (Token | null)[]>>;

/** The counterparts of a side; `places` gives the index in the baseline, or -1. */
export function counterpartsOf(
  places: readonly number[],
  baseline: readonly Token[],
): readonly (Token | null)[] {
  return places.map((at) => baseline[at] ?? null);
}

/** The token of the baseline in the place of another one; null for the same token, or where none is aligned. */
export function substituteOf(
  counterparts: readonly (Token | null)[] | undefined,
  token: Token | undefined,
  index: number,
): Token | null {
  const other = counterparts?.[index] ?? null;
  return other === null || token === undefined || (other.id === token.id && other.text === token.text)
    ? null
    : other;
}

export function isUnaligned(counterparts: readonly (Token | null)[] | undefined, index: number): boolean {
  return counterparts?.[index] === null;
}

/** A token, or two as `He / She`, in running text. */
export function pairedWord(
  tokens: readonly Token[],
  index: number,
  counterparts?: readonly (Token | null)[],
) {
  const token = tokens[index];
  if (token === undefined) return String(index);
  const other = substituteOf(counterparts, token, index);
  return other === null ? word(token) : `${word(other)} / ${word(token)}`;
}

/** Letters of room for the two leading marks and the number beside a pair of names. */
const PAIR_LETTERS = 4;

/** The length of the longest name in a column, in characters. */
export function longestName(tokens: readonly Token[], counterparts?: readonly (Token | null)[]): number {
  let longest = longestToken(tokens);
  tokens.forEach((token, index) => {
    if (substituteOf(counterparts, token, index) !== null)
      longest = Math.max(longest, PAIR_LETTERS + nameLength(tokens, index, counterparts));
  });
  return longest;
}

/** The length of a token's name in a column, in characters. */
export function nameLength(
  tokens: readonly Token[],
  index: number,
  counterparts?: readonly (Token | null)[],
): number {
  const token = tokens[index];
  if (token === undefined) return 0;
  const length = (one: Token) => face(one).before.length + face(one).text.length;
  const other = substituteOf(counterparts, token, index);
  return length(token) + (other === null ? 0 : 3 + length(other));
}
