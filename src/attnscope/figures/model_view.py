"""The model view (Vig 2019, figure 5): a thumbnail for each head, with layers as rows and heads as columns."""

from __future__ import annotations

import numpy as np

from attnscope.errors import TooLongError
from attnscope.figures.palette import ACCENT, MASKED, QUIET, RULE
from attnscope.figures.paper import PAGE_HEIGHT, POINTS
from attnscope.figures.sheet import Sheet
from attnscope.figures.view import LEGEND_ROOM, SMALL, SMALLEST, PaperView
from attnscope.figures.weights import Array, Picker, Scale, stronger, strongest

TOP = 11.0
LEAST_CELL = 5.0
TALLEST_CELL = 60.0
TALLEST_SHAPE = 1.35
WIDEST_SHAPE = 1.5
"""Largest ratio of height to width, and of width to height, of a line thumbnail."""
LINES_UP_TO = 32
"""With `thumbnails="auto"`, inputs up to this many tokens are drawn as lines."""
MOST_LINE_TOKENS = 128
THUMBNAIL = 64
FAINTEST = 0.02


class ModelView(PaperView):
    """All heads, or a selection of layers and heads, labeled with their indices."""

    what = "Model view"

    @property
    def where(self) -> str:
        """The layers and heads that are drawn."""
        layers, heads = self.request.layers, self.request.heads
        return f"layers {_ranges(layers)}, heads {_ranges(heads)}"

    @property
    def scale(self) -> Scale:
        """Square root for heat maps, where a weight of 0.1 would be invisible in a small cell; linear for lines, which add up."""
        return self.request.scale or ("linear" if self._lines() else "root")

    def height(self, width: float) -> float:
        """Thumbnails are slightly taller than wide, or shorter to fit the page."""
        return TOP + len(self.request.layers) * self._row(width) + 1 + self._legend

    def draw(self, sheet: Sheet) -> None:
        """Draw the layer and head numbers and the thumbnails."""
        layers, heads = self.request.layers, self.request.heads
        left = self._left()
        wide = (sheet.width - left) / len(heads)
        high = (sheet.height - TOP - 1 - self._legend) / len(layers)
        lines = self._lines()
        wide = min(wide, WIDEST_SHAPE * high) if lines else min(wide, high)
        high = high if lines else wide
        left = max(left, (sheet.width + left - wide * len(heads)) / 2)
        size = min(SMALL + 0.5, max(SMALLEST, 0.8 * min(wide, high)))
        step = max(1, int(np.ceil(SMALLEST * 1.3 / min(wide, high))))
        for column in range(0, len(heads), step):
            sheet.text(left + (column + 0.5) * wide, TOP / 2 - 1, str(heads[column]), size, ha="center", color=QUIET)
        picker = self.picker()
        stack = self.request.trace.stacks[self.request.stack]
        gap = min(4.0, 0.14 * wide)
        drawn: list[tuple[int, list[int], Array]] = []
        for row, layer in enumerate(layers):
            y = TOP + row * high
            if row % step == 0:
                sheet.text(left - 3, y + high / 2, str(layer), size, ha="right", color=QUIET)
            shape = stack.layer(layer)
            present = [head for head in heads if shape is not None and head < shape.heads]
            if not present:
                self.facts.append(
                    f"Layer {layer} has no attention." if shape is None else f"Layer {layer} has none of these heads."
                )
                continue
            drawn.append((row, present, picker.whole(layer, present) if lines else _pooled(picker, layer, present)))
        self.fit(*(values for _, _, values in drawn))
        for row, present, values in drawn:
            for head, weights in zip(present, values, strict=True):
                x, y = left + heads.index(head) * wide, TOP + row * high
                place = (x + gap / 2, y + gap / 2, wide - gap, high - gap)
                (self._draw_lines if lines else self._draw_map)(
                    sheet, weights, f"attention-{layers[row]}.{head}", *place
                )
        if self.signed:
            self.sign_legend(sheet, left + gap / 2, TOP + len(layers) * high + self._legend / 2 + 1)
        if not lines and self.rows > THUMBNAIL:
            by = -(-self.rows // THUMBNAIL)
            self.facts.append(
                f"Each cell shows the largest of {by}×{by} {'differences' if self.signed else 'weights'}."
            )
        self.facts.append(
            "Tokens run from top to bottom." if lines else "Queries run from top to bottom, keys from left to right."
        )
        self.facts = [*self.facts, *picker.sentences(), *self.comparison_facts()]

    def _lines(self) -> bool:
        wish = self.request.thumbnails
        if wish == "lines" and self.rows > MOST_LINE_TOKENS:
            raise TooLongError(
                f"Line thumbnails support at most {MOST_LINE_TOKENS} tokens, but this input has {self.rows}. Pass "
                "`thumbnails='map'`."
            )
        return wish == "lines" or (wish == "auto" and self.rows <= LINES_UP_TO)

    def _left(self) -> float:
        return self.fonts.width(str(max(self.request.layers)), SMALL + 0.5) + 5

    def _row(self, width: float) -> float:
        """Return the height of a row of thumbnails."""
        wide = (width - self._left()) / len(self.request.heads)
        shape = TALLEST_SHAPE if self._lines() else 1.0
        high = min(
            shape * wide, TALLEST_CELL, (PAGE_HEIGHT * POINTS - TOP - 1 - self._legend) / len(self.request.layers)
        )
        if min(wide, high) < LEAST_CELL:
            raise TooLongError(
                f"{len(self.request.layers)} layers of {len(self.request.heads)} heads do not fit on a page: their thumbnails "
                f"would be smaller than {LEAST_CELL:g} points. Select some with `layers=` and `heads=`, or pass `figsize=`."
            )
        return high

    def _draw_lines(
        self, sheet: Sheet, weights: Array, name: str, x: float, y: float, wide: float, high: float
    ) -> None:
        opacity, row = self.opacity(weights), high / self.rows
        if self.signed:
            sheet.box(x, y, wide, high, edge=RULE)
        for suffix, those, color in self.parts(weights, ACCENT):
            query, key = np.nonzero(those & (opacity >= FAINTEST))
            ends = np.stack(
                [np.full(len(query), x), y + (query + 0.5) * row, np.full(len(query), x + wide), y + (key + 0.5) * row],
                axis=1,
            )
            sheet.segments(ends, color, opacity[query, key], max(0.25, min(0.7, 0.35 * row)), f"{name}{suffix}")

    def _draw_map(self, sheet: Sheet, weights: Array, name: str, x: float, y: float, wide: float, high: float) -> None:
        colors = self.fills(weights)
        for axis, marks in enumerate(self.marks):
            missing = marks.pooled(-(-len(marks.alone) // THUMBNAIL))
            colors[missing if axis == 0 else (slice(None), missing)] = MASKED
        sheet.cells(colors, x, y, wide, high, name, vector=False)
        sheet.box(x, y, wide, high, edge=RULE)

    @property
    def _legend(self) -> float:
        return LEGEND_ROOM if self.signed else 0.0


def _pooled(picker: Picker, layer: int, heads: list[int]) -> Array:
    """Return thumbnails [head, row, column] of at most 64 × 64 cells, max-pooled from the weights."""
    queries, keys = len(picker.queries), len(picker.keys)
    high, wide = -(-queries // THUMBNAIL), -(-keys // THUMBNAIL)
    pooled = np.zeros((len(heads), -(-queries // high), -(-keys // wide)), dtype=np.float32)
    for rows, weights in picker.tiles(layer, heads):
        cells = strongest(weights, wide)
        for offset in range(cells.shape[1]):
            at = (rows.start + offset) // high
            pooled[:, at] = stronger(pooled[:, at], cells[:, offset])
    return pooled


def _ranges(numbers: tuple[int, ...]) -> str:
    """Format sorted indices as ranges: `0–5, 8`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts)
