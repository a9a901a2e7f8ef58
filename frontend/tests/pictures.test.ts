import { expect, test, vi } from "vitest";
import { Pictures } from "../src/views/model/pictures";

const BOX = { x: 2, y: 1, width: 3, height: 2 };

function blank(size = 8) {
  return { width: size, height: size, words: new Uint32Array(size * size) };
}

/** Draws a number that tells pixels of the box apart. */
function filling(pixels: ReturnType<typeof blank>, { x, y, width, height } = BOX, first = 1) {
  return vi.fn(() => {
    for (let row = 0; row < height; row++)
      for (let column = 0; column < width; column++) {
        const [left, top] = [x + column, y + row];
        if (left < pixels.width && top < pixels.height)
          pixels.words[top * pixels.width + left] = first + row * width + column;
      }
  });
}

test("a head drawn again is copied to where it is now, and to no other pixel", () => {
  const pictures = new Pictures();
  const head = {};
  const [before, after, wanted] = [blank(), blank(), blank()];
  pictures.draw(before, BOX, head, ["map", 1], filling(before));
  const moved = { ...BOX, x: 4, y: 5 };
  const again = filling(after, moved);
  pictures.draw(after, moved, head, ["map", 1], again);
  expect(again).not.toHaveBeenCalled();
  filling(wanted, moved)();
  expect(after.words).toEqual(wanted.words);
});

test("another look, size or head is drawn anew", () => {
  const pictures = new Pictures();
  const head = {};
  const pixels = blank();
  pictures.draw(pixels, BOX, head, ["map"], filling(pixels));
  const wider = { ...BOX, width: 4 };
  for (const [box, of, look] of [
    [BOX, head, ["lines"]],
    [wider, head, ["lines"]],
    [BOX, {}, ["lines"]],
    [BOX, head, ["map"]], // of three pictures, the two drawn last are kept
  ] as const) {
    const draw = filling(pixels, box, 50);
    pictures.draw(pixels, box, of, look, draw);
    expect(draw).toHaveBeenCalledOnce();
  }
});

test("a head partly outside the image is always drawn, and its picture is not kept", () => {
  const pictures = new Pictures();
  const head = {};
  const pixels = blank();
  const outside = { ...BOX, x: 6 };
  for (let times = 0; times < 2; times++) {
    const draw = filling(pixels, outside);
    pictures.draw(pixels, outside, head, [], draw);
    expect(draw).toHaveBeenCalledOnce();
  }
});

test("the oldest pictures are dropped", () => {
  const pictures = new Pictures();
  const pixels = blank(4);
  const whole = { x: 0, y: 0, width: 4, height: 4 };
  const heads = Array.from({ length: 8 }, () => ({}));
  for (const head of heads) pictures.draw(pixels, whole, head, [], filling(pixels, whole));
  const drawn = heads.toReversed().map((head) => {
    const draw = filling(pixels, whole);
    pictures.draw(pixels, whole, head, [], draw);
    return draw.mock.calls.length;
  });
  expect(drawn).toEqual([0, 0, 0, 0, 0, 0, 1, 1]);
});

test("a head that alternates between two sizes is drawn once in each", () => {
  const pictures = new Pictures();
  const head = {};
  const pixels = blank();
  const taller = { ...BOX, height: 4 };
  const drawn = [BOX, taller, BOX, taller, BOX].map((box) => {
    const draw = filling(pixels, box);
    pictures.draw(pixels, box, head, [], draw);
    return draw.mock.calls.length;
  });
  expect(drawn).toEqual([1, 1, 0, 0, 0]);
});
