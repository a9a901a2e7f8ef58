import { describe, expect, it } from "vitest";
import { DIVIDER, LEAST, shareWidth, usualWidths } from "../src/views/shell/panelWidths";

describe("the panels", () => {
  it.each([880, 1000, 1380, 3000])("all keep room in %i pixels, whatever is wished", (total) => {
    for (const wished of [
      { model: 0, head: 0 },
      { model: 9999, head: 9999 },
      { model: 9999, head: 0 },
      { model: 0, head: 9999 },
    ]) {
      const { model, head } = shareWidth(total, wished);
      expect(model).toBeGreaterThanOrEqual(LEAST.model);
      expect(head).toBeGreaterThanOrEqual(LEAST.head);
      expect(total - model - head - 2 * DIVIDER).toBeGreaterThanOrEqual(LEAST.side);
    }
  });

  it("stand where they were put, where there is room", () => {
    expect(shareWidth(1380, { model: 300, head: 420 })).toEqual({ model: 300, head: 420 });
  });

  it("leave most of a page of 1,400 pixels to the right", () => {
    const { model, head } = usualWidths(1380, 333);
    expect([model, head]).toEqual([333, 386]);
  });
});
