import { describe, expect, it } from "vitest";
import { csvOf } from "../src/figures/csv";

describe("a table", () => {
  it("quotes texts as RFC 4180 says and writes numbers so that they are read back exactly", () => {
    const single = Math.fround(0.1);
    const text = csvOf({
      name: "a",
      columns: ["token", "weight"],
      rows: [
        [" the", single],
        ['say "a, b"', Number.NaN],
        ["two\nlines", Number.NEGATIVE_INFINITY],
        ["half \ud800", null],
        ["雨", 1e-30],
      ],
    });
    expect(text).toBe(
      'token,weight\n" the",0.10000000149011612\n"say ""a, b""",\n"two\nlines",-inf\nhalf \ufffd,\n雨,1e-30\n',
    );
    expect(Math.fround(Number(text.split("\n")[1].split(",")[1]))).toBe(single);
  });
});
