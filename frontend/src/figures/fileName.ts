/** Names of saved files: after the model, the view and the first words of the text. */

/** Most bytes of a whole name; file systems allow 255, and sync programs less. */
const MOST_BYTES = 120;
const MOST_OF_TEXT = 40;

/**
 * A name without extension, as `attnscope-smollm2-head-9.4-the-doctor-asked`. It has lower-case letters and digits of any
 * script, dots and hyphens, so that every file system accepts it.
 */
export function fileName(model: string, view: string, text: string | null): string {
  const words = slug(text ?? "").split("-");
  let start = cut(words[0] ?? "", MOST_OF_TEXT);
  for (const word of words.slice(1)) {
    if (start.length + 1 + word.length > MOST_OF_TEXT) break;
    start += `-${word}`;
  }
  // Of `org/model` or a path, the last part names the model.
  const shortModel = slug(model.split(/[\\/]/).findLast((part) => slug(part) !== "") ?? "");
  const parts = ["attnscope", cut(shortModel, MOST_OF_TEXT), slug(view), start].filter((part) => part !== "");
  return withinBytes(parts.join("-"), MOST_BYTES).replace(/[-.]+$/, "");
}

function slug(text: string): string {
  return text
    .toWellFormed()
    .normalize("NFC")
    .toLowerCase()
    .replace(/[^\p{Letter}\p{Mark}\p{Number}.]+/gu, "-")
    .replace(/\.*-[-.]*|\.{2,}/g, "-")
    .replace(/^[-.]+|[-.]+$/g, "");
}

/** The first characters, never half of one. */
function cut(text: string, most: number): string {
  return [...text].slice(0, most).join("");
}

function withinBytes(text: string, most: number): string {
  const encoder = new TextEncoder();
  const characters = [...text];
  while (encoder.encode(characters.join("")).length > most) characters.pop();
  return characters.join("");
}
