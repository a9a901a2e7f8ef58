/** Searches the tokens of a view. Pure. */

import type { Side } from "../../state/state";
import type { Token } from "../../wire/messages";

/** The tokens from ≤ index < to that contain one match. */
export interface Match {
  readonly side: Side;
  readonly from: number;
  readonly to: number;
}

/** All case-insensitive matches, also across token boundaries; on both sides if they differ. */
export function findText(queries: readonly Token[], keys: readonly Token[], text: string): readonly Match[] {
  const wanted = text.toLowerCase();
  if (wanted === "") return [];
  const found = matchesIn("query", queries, wanted);
  const same = queries.length === keys.length && queries.every((token, at) => token.text === keys[at].text);
  return same ? found : [...found, ...matchesIn("key", keys, wanted)];
}

function matchesIn(side: Side, tokens: readonly Token[], wanted: string): Match[] {
  // Tokenizers that mark continuations omit the spaces between words.
  const spaced = tokens.some((token) => /^\s/.test(token.text));
  const starts: number[] = [];
  let joined = "";
  tokens.forEach((token, at) => {
    if (at > 0 && !spaced && !token.continues) joined += " ";
    starts.push(joined.length);
    joined += token.text.toLowerCase();
  });
  const found: Match[] = [];
  let token = 0;
  for (let at = joined.indexOf(wanted); at >= 0; at = joined.indexOf(wanted, at + wanted.length)) {
    // A leading space in the query belongs to the following word.
    const first = at + (wanted.length - wanted.trimStart().length);
    while (token + 1 < starts.length && starts[token + 1] <= first) token += 1;
    let last = token;
    while (last + 1 < starts.length && starts[last + 1] < at + wanted.length) last += 1;
    found.push({ side, from: token, to: last + 1 });
  }
  return found;
}
