"""The model view (Vig 2019, figure 5): a thumbnail of every head, rows are layers, columns heads."""

from __future__ import annotations

import numpy as np

from attnscope.errors import TooLongError
from attnscope.figures.palette import ACCENT, QUIET, RULE, weight_colors
from attnscope.figures.paper import PAGE_HEIGHT, POINTS
from attnscope.figures.sheet import Sheet
from attnscope.figures.view import SMALL, SMALLEST, PaperView
from attnscope.figures.weights import Array, Picker, Scale, darkness

TOP = 11.0
LEAST_CELL = 5.0
TALLEST_CELL = 60.0
TALLEST_SHAPE = 1.35
WIDEST_SHAPE = 1.5
"""Height over width, and width over height, of a thumbnail of lines."""
LINES_UP_TO = 32
"""Tokens of the longest input that is drawn as lines unless asked for."""
MOST_LINE_TOKENS = 128
THUMBNAIL = 64
FAINTEST = 0.02


class ModelView(PaperView):
    """All heads, or some layers and heads of them, under their own numbers."""

    what = "Model view"

    @property
    def where(self) -> str:
        """Which layers and heads are there."""
        layers, heads = self.request.layers, self.request.heads
        return f"layers {_ranges(layers)}, heads {_ranges(heads)}"

    @property
    def scale(self) -> Scale:
        """Square roots in heat maps: a cell is too small to show a tenth as a tenth; lines add up."""
        return self.request.scale or ("linear" if self._lines() else "root")

    def height(self, width: float) -> float:
        """Cells a little higher than wide, lower where a page asks for it."""
        return TOP + len(self.request.layers) * self._row(width) + 1

    def draw(self, sheet: Sheet) -> None:
        """Draw the numbers and the thumbnails."""
        layers, heads = self.request.layers, self.request.heads
        left = self._left()
        wide = (sheet.width - left) / len(heads)
        high = (sheet.height - TOP - 1) / len(layers)
        lines = self._lines()
        wide = min(wide, WIDEST_SHAPE * high) if lines else min(wide, high)
        high = high if lines else wide
        left = max(left, (sheet.width + left - wide * len(heads)) / 2)
        size = min(SMALL + 0.5, max(SMALLEST, 0.8 * min(wide, high)))
        step = max(1, int(np.ceil(SMALLEST * 1.3 / min(wide, high))))
        for column in range(0, len(heads), step):
            sheet.text(left + (column + 0.5) * wide, TOP / 2 - 1, str(heads[column]), size, ha="center", color=QUIET)
        picker = Picker(self.request.trace, self.request.stack, self.request.rules)
        stack = self.request.trace.stacks[self.request.stack]
        gap = min(4.0, 0.14 * wide)
        for row, layer in enumerate(layers):
            y = TOP + row * high
            if row % step == 0:
                sheet.text(left - 3, y + high / 2, str(layer), size, ha="right", color=QUIET)
            shape = stack.layer(layer)
            present = [head for head in heads if shape is not None and head < shape.heads]
            if not present:
                self.facts.append(
                    f"Layer {layer} has no attention." if shape is None else f"Layer {layer} lacks these heads."
                )
                continue
            drawn = picker.whole(layer, present) if lines else _pooled(picker, layer, present)
            for head, weights in zip(present, drawn, strict=True):
                x = left + heads.index(head) * wide
                place = (x + gap / 2, y + gap / 2, wide - gap, high - gap)
                (self._draw_lines if lines else self._draw_map)(sheet, weights, f"attention-{layer}.{head}", *place)
        if not lines and self.rows > THUMBNAIL:
            by = -(-self.rows // THUMBNAIL)
            self.facts.append(f"A cell is the largest of {by}×{by} weights.")
        self.facts.append(
            "Tokens from top to bottom." if lines else "Queries from top to bottom, keys from left to right."
        )
        self.facts = [*self.facts, *picker.sentences()]

    def _lines(self) -> bool:
        wish = self.request.thumbnails
        if wish == "lines" and self.rows > MOST_LINE_TOKENS:
            raise TooLongError(
                f"Thumbnails of lines are for up to {MOST_LINE_TOKENS} tokens, and there are {self.rows}; pass "
                "`thumbnails='map'`."
            )
        return wish == "lines" or (wish == "auto" and self.rows <= LINES_UP_TO)

    def _left(self) -> float:
        return self.fonts.width(str(max(self.request.layers)), SMALL + 0.5) + 5

    def _row(self, width: float) -> float:
        """The height of a row of thumbnails."""
        wide = (width - self._left()) / len(self.request.heads)
        shape = TALLEST_SHAPE if self._lines() else 1.0
        high = min(shape * wide, TALLEST_CELL, (PAGE_HEIGHT * POINTS - TOP - 1) / len(self.request.layers))
        if min(wide, high) < LEAST_CELL:
            raise TooLongError(
                f"{len(self.request.layers)} layers of {len(self.request.heads)} heads do not fit: their thumbnails would be "
                f"smaller than {LEAST_CELL:g} points. Choose some with `layers=` and `heads=`, or pass `figsize=`."
            )
        return high

    def _draw_lines(
        self, sheet: Sheet, weights: Array, name: str, x: float, y: float, wide: float, high: float
    ) -> None:
        opacity = darkness(weights, self.scale)
        query, key = np.nonzero(opacity >= FAINTEST)
        row = high / self.rows
        ends = np.stack(
            [np.full(len(query), x), y + (query + 0.5) * row, np.full(len(query), x + wide), y + (key + 0.5) * row],
            axis=1,
        )
        sheet.segments(ends, ACCENT, opacity[query, key], max(0.25, min(0.7, 0.35 * row)), name)

    def _draw_map(self, sheet: Sheet, weights: Array, name: str, x: float, y: float, wide: float, high: float) -> None:
        colors = weight_colors(self.request.palette)(darkness(weights, self.scale))[..., :3]
        sheet.cells(colors, x, y, wide, high, name, vector=False)
        sheet.box(x, y, wide, high, edge=RULE)


def _pooled(picker: Picker, layer: int, heads: list[int]) -> Array:
    """Thumbnails [head, row, column] of at most 64 cells a side; a cell is the largest weight in it."""
    queries, keys = len(picker.queries), len(picker.keys)
    high, wide = -(-queries // THUMBNAIL), -(-keys // THUMBNAIL)
    pooled = np.zeros((len(heads), -(-queries // high), -(-keys // wide)), dtype=np.float32)
    for rows, weights in picker.tiles(layer, heads):
        cells = np.maximum.reduceat(weights, np.arange(0, keys, wide), axis=-1)
        for offset in range(cells.shape[1]):
            at = (rows.start + offset) // high
            pooled[:, at] = np.maximum(pooled[:, at], cells[:, offset])
    return pooled


def _ranges(numbers: tuple[int, ...]) -> str:
    """`0–5, 8`."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts)
