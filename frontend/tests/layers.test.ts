import { readdirSync, readFileSync } from "node:fs";
import { posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const SOURCE = fileURLToPath(new URL("../src/", import.meta.url));
const TESTS = fileURLToPath(new URL(".", import.meta.url));
const ORDER = ["wire", "source", "state", "compute", "marks", "figures", "views", "entry"];
/** Layers beside each other: neither imports the other. */
const SIBLINGS = [["state", "compute"]];
/** What the front end and Python share; one module reads it. */
const SHARED = { from: "marks/appearance.ts", path: "../../../src/attnscope/appearance/appearance.json" };
const WITHOUT_DOM = ["wire", "compute", "marks", "figures"];
/** The folders of `views/`, each of which imports only from those before it. `App.tsx` puts all of them together. */
const ROOMS = [
  ["shared"],
  ["image"],
  ["head"],
  ["neuron", "weights", "model"],
  ["page"],
  ["edges", "export"],
  ["changes"],
  ["effect"],
  ["comparison"],
  ["toolbar", "shell"],
  ["styles"],
];

const files = readdirSync(SOURCE, { recursive: true, encoding: "utf8" }).filter((path) =>
  /\.tsx?$/.test(path),
);

/** `from "…"` of an import or export over any number of lines, `import "…"` alone, and `import("…")`. */
const IMPORT = /\bfrom\s*"(\.[^"]+)"|\bimport\s*"(\.[^"]+)"|\bimport\s*\(\s*"(\.[^"]+)"/g;

/** The relative paths that a text imports, without a query such as `?worker&inline`. */
function targetsIn(text: string): readonly string[] {
  return [...text.matchAll(IMPORT)].map((match) =>
    (match[1] ?? match[2] ?? match[3]).replace(/\?[^"]*$/, ""),
  );
}

/** What a file imports, as paths below `src`. */
function importsOf(path: string): readonly string[] {
  const shared = (target: string) => path === SHARED.from && target === SHARED.path;
  const targets = targetsIn(readFileSync(SOURCE + path, "utf8")).filter((target) => !shared(target));
  return targets.map((target) => {
    const wanted = posix.join(posix.dirname(path), target);
    const endings = ["", ".ts", ".tsx", "/index.ts"];
    const found = endings.map((ending) => wanted + ending).find((name) => files.includes(name));
    if (found === undefined && !wanted.endsWith(".css"))
      throw new Error(`${path} imports ${target}: no such file`);
    return found ?? wanted;
  });
}

/** The files of each circle, in the order of their imports. */
function circlesOf(graph: ReadonlyMap<string, readonly string[]>): readonly (readonly string[])[] {
  const circles: string[][] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const walk = (file: string): void => {
    if (way.includes(file)) circles.push([...way.slice(way.indexOf(file)), file]);
    if (way.includes(file) || done.has(file)) return;
    way.push(file);
    for (const target of graph.get(file) ?? []) walk(target);
    way.pop();
    done.add(file);
  };
  for (const file of graph.keys()) walk(file);
  return circles;
}

/** Names that are the same on a disk that takes no notice of case. */
function sameButForCase(paths: readonly string[]): readonly (readonly string[])[] {
  const byName = new Map<string, string[]>();
  for (const path of paths) {
    const name = path.toLowerCase();
    byName.set(name, [...(byName.get(name) ?? []), path]);
  }
  return [...byName.values()].filter((group) => group.length > 1);
}

/** The room of a file of `views/`; null for what stands beside the rooms. */
function roomOf(path: string): string | null {
  const [layer, room, ...rest] = path.split("/");
  return layer === "views" && rest.length > 0 ? room : null;
}

describe("the imports that are looked at", () => {
  it("are found in all their forms", () => {
    const text = `
      import one from "./one";
      import type { Two } from "./two";
      import {
        three,
        type Three,
      } from "./three";
      export { four } from "./four";
      export * from "./five";
      import "./six.css";
      const seven = await import("./seven");
      import Eight from "./eight.worker?worker&inline";
      import nine from "nine";`;
    const found = ["./one", "./two", "./three", "./four", "./five", "./six.css", "./seven", "./eight.worker"];
    expect(targetsIn(text)).toEqual(found);
  });
});

describe("the layers of the source", () => {
  it.each(files)("%s imports only from its own layer and those before it", (path) => {
    const own = path.split("/")[0];
    for (const target of importsOf(path)) {
      const other = target.split("/")[0];
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

  it("have no import circle", () => {
    const graph = new Map(files.map((path) => [path, importsOf(path)]));
    expect(circlesOf(graph).map((circle) => circle.join(" → "))).toEqual([]);
  });

  it("would tell the files of a circle", () => {
    const graph = new Map([
      ["a", ["b"]],
      ["b", ["c"]],
      ["c", ["b"]],
    ]);
    expect(circlesOf(graph)).toEqual([["b", "c", "b"]]);
  });
});

describe("the rooms of the views", () => {
  const rankOf = (room: string) => ROOMS.findIndex((beside) => beside.includes(room));

  it("all have their place", () => {
    const rooms = new Set(files.flatMap((path) => roomOf(path) ?? []));
    expect([...rooms].sort()).toEqual(ROOMS.flat().sort());
  });

  it.each(
    files.filter((path) => roomOf(path) !== null),
  )("%s imports only from rooms before its own", (path) => {
    const own = roomOf(path) as string;
    for (const target of importsOf(path).filter((each) => each.startsWith("views/"))) {
      const other = roomOf(target);
      if (other === own) continue;
      expect(other, `${path} imports ${target}`).not.toBeNull();
      expect(rankOf(other as string), `${path} imports ${target}`).toBeLessThan(rankOf(own));
    }
  });
});

describe("file names", () => {
  it("differ in more than case", () => {
    const all = [SOURCE, TESTS].map((folder) => readdirSync(folder, { recursive: true, encoding: "utf8" }));
    expect(all.flatMap(sameButForCase)).toEqual([]);
    expect(sameButForCase(["a/Search.tsx", "a/search.tsx", "b/search.tsx"])).toHaveLength(1);
  });
});
