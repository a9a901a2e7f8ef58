/** Python string literals. Pure. */

const SHORT: Readonly<Record<string, string>> = {
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\\": "\\\\",
  '"': '\\"',
};

/** A string as a Python literal. Invisible characters and direction controls are escaped. */
export function pythonString(text: string): string {
  let written = "";
  for (const sign of text) {
    const code = sign.codePointAt(0) ?? 0;
    if (sign in SHORT) written += SHORT[sign];
    else if (code < 0x20 || (code >= 0x7f && code < 0xa1))
      written += `\\x${code.toString(16).padStart(2, "0")}`;
    else if (/[\p{C}\p{Z}]/u.test(sign) && sign !== " ") {
      const digits = code.toString(16);
      written += code > 0xffff ? `\\U${digits.padStart(8, "0")}` : `\\u${digits.padStart(4, "0")}`;
    } else written += sign;
  }
  return `"${written}"`;
}
