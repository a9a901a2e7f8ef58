/** Layout of tokens in rows. */

import { face } from "../../marks/format";
import type { Token } from "../../wire/messages";
import { substituteOf } from "../shared/counterparts";

const RIGHT_TO_LEFT = /[\p{Script=Hebrew}\p{Script=Arabic}\p{Script=Syriac}\p{Script=Thaana}\p{Script=Nko}]/u;
const LETTER = /\p{L}/u;
const FONT = '14px system-ui, "Segoe UI", "Helvetica Neue", sans-serif';
const CELL = { least: 30, most: 180, padding: 14 };

/** Whether most tokens with letters are right-to-left. */
export function mostlyRightToLeft(tokens: readonly Token[]): boolean {
  let balance = 0;
  for (const { text, raw, special } of tokens) {
    if (raw || special) continue;
    if (RIGHT_TO_LEFT.test(text)) balance += 1;
    else if (LETTER.test(text)) balance -= 1;
  }
  return balance > 0;
}

const measured = new Map<string, number>();
let ruler: CanvasRenderingContext2D | null | undefined;

/** Width of each token's cell, in CSS pixels; a substituted token stands beside the one of the baseline. */
export function wordWidths(tokens: readonly Token[], counterparts?: readonly (Token | null)[]): Float64Array {
  const name = (token: Token) => face(token).before + face(token).text;
  return Float64Array.from(tokens, (token, index) => {
    const other = substituteOf(counterparts, token, index);
    const written = other === null ? name(token) : `${name(other)} / ${name(token)}`;
    const wide = widthOf(written) + CELL.padding;
    return Math.ceil(Math.max(CELL.least, Math.min(CELL.most, wide)));
  });
}

function widthOf(text: string): number {
  const known = measured.get(text);
  if (known !== undefined) return known;
  if (ruler === undefined) {
    ruler = document.createElement("canvas").getContext("2d");
    if (ruler !== null) ruler.font = FONT;
  }
  const wide = ruler?.measureText(text).width ?? 8 * text.length;
  if (measured.size > 20_000) measured.clear();
  measured.set(text, wide);
  return wide;
}
