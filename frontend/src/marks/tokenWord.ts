/** The text of a token that comes without its other fields. */

import type { Token } from "../wire/messages";
import { face, word } from "./format";

function tokenOf(text: string): Token {
  return { text, id: -1, special: false, sentence: null, continues: false, raw: false };
}

/** A predicted token in running text, without its leading space. */
export function plainWord(text: string): string {
  return word(tokenOf(text));
}

/** A predicted token with the mark of its leading space: `·Mary`. */
export function markedWord(text: string): string {
  const { before, text: shown } = face(tokenOf(text));
  return before + shown;
}
