import { expect, test } from "vitest";
import { placeBeside } from "../src/views/changes/boxPlace";

const WINDOW = { width: 400, height: 300 };
const BOX = { width: 100, height: 80 };
const POINT = { width: 0, height: 0 };

test.each([
  ["to the right", { x: 50, y: 60, ...POINT }, { x: 58, y: 60 }],
  ["to the right of all of it", { x: 50, y: 60, width: 20, height: 10 }, { x: 78, y: 60 }],
  ["to the left at the right edge", { x: 350, y: 60, ...POINT }, { x: 242, y: 60 }],
  ["moved up at the lower edge", { x: 50, y: 290, ...POINT }, { x: 58, y: 212 }],
  ["below what is as wide as the window", { x: 20, y: 20, width: 360, height: 30 }, { x: 20, y: 58 }],
  ["above it near the lower edge", { x: 20, y: 220, width: 360, height: 30 }, { x: 20, y: 132 }],
  [
    "over what fills the window, at its right edge",
    { x: 0, y: 0, width: 400, height: 300 },
    { x: 292, y: 8 },
  ],
])("a box stands %s", (_, at, corner) => {
  expect(placeBeside(at, BOX, WINDOW)).toEqual(corner);
});

test("a box larger than the window begins inside it", () => {
  expect(placeBeside({ x: 50, y: 60, ...POINT }, { width: 900, height: 900 }, WINDOW)).toEqual({
    x: 8,
    y: 8,
  });
});
