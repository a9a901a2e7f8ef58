import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SOURCE = fileURLToPath(new URL("../src/", import.meta.url));
const ORDER = ["wire", "source", "state", "compute", "marks", "figures", "views", "entry"];
/** Layers beside each other: neither imports the other. */
const SIBLINGS = [["state", "compute"]];
/** What the front end and Python share; one module reads it. */
const SHARED = { from: "marks/appearance.ts", path: "../../../src/attnscope/appearance/appearance.json" };
const WITHOUT_DOM = ["wire", "compute", "marks", "figures"];

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((path) =>
  /\.tsx?$/.test(path),
);

function importsOf(path: string): string[] {
  const text = readFileSync(SOURCE + path, "utf8");
  return [...text.matchAll(/from\s+"(\.[^"]+)"|import\s+"(\.[^"]+)"/g)].map((match) => match[1] ?? match[2]);
}

describe("the layers of the source", () => {
  it.each(files)("%s imports only from its own layer and those before it", (path) => {
    const own = path.split("/")[0];
    for (const target of importsOf(path)) {
      if (path === SHARED.from && target === SHARED.path) continue;
      const other = posix.join(posix.dirname(path), target).split("/")[0];
      expect(ORDER).toContain(other);
      expect(ORDER.indexOf(other)).toBeLessThanOrEqual(ORDER.indexOf(own));
      expect(SIBLINGS.some((pair) => other !== own && pair.includes(own) && pair.includes(other))).toBe(
        false,
      );
    }
  });

  it.each(files.filter((path) => WITHOUT_DOM.includes(path.split("/")[0])))("%s touches no page", (path) => {
    const text = readFileSync(SOURCE + path, "utf8");
    expect(text).not.toMatch(/\b(document|window)\.|from "solid-js/);
  });
});
