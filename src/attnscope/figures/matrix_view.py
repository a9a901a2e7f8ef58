"""One head as a heat map, with a row for each query and a column for each key."""

from __future__ import annotations

import numpy as np

from attnscope.appearance.numerals import heads_name
from attnscope.figures.palette import FAINT, INK, MASKED, QUIET, RULE, ink_on, weight_colors
from attnscope.figures.paper import PAGE_HEIGHT, POINTS
from attnscope.figures.sheet import Sheet, widest
from attnscope.figures.view import SMALL, SMALLEST, TEXT, PaperView
from attnscope.figures.weights import Array, Picker, darkness, stronger, strongest

LEGEND = 20.0
HEADING = 14.0
MOST_CELLS = 1_024
"""Inputs with more queries or keys than this are pooled: each cell then shows the largest of several weights."""
LEAST_CELL_WITH_NUMBER = 13.0
LARGEST_CELL = 24.0


class MatrixView(PaperView):
    """One head, with a cell for each weight up to 1,024 tokens."""

    what = "Attention"
    least_row = 0.0

    @property
    def where(self) -> str:
        """The head: `head 11.0`."""
        return heads_name(self.request.layer, self.request.heads)

    def height(self, width: float) -> float:
        """Cells are square and fill the width, unless the page is too short."""
        left, top = self._margins(self._cell(width, PAGE_HEIGHT * POINTS))
        return top + len(self.queries) * self._cell(width, PAGE_HEIGHT * POINTS) + LEGEND + 0 * left

    def draw(self, sheet: Sheet) -> None:
        """Draw the cells, the tokens on two sides, and the color legend."""
        cell = self._cell(sheet.width, sheet.height)
        left, top = self._margins(cell)
        queries, keys = len(self.queries), len(self.keys)
        wide, high = keys * cell, queries * cell
        x = max(left, (sheet.width + left - wide) / 2)
        picker = self.picker()
        weights, by = self._weights(picker)
        self.fit(weights)
        cells = self.fills(weights)
        for axis, marks in enumerate(self.marks):
            missing = marks.pooled(by)
            cells[missing if axis == 0 else (slice(None), missing)] = MASKED
        layer, head = self.request.layer, self.request.heads[0]
        sheet.cells(cells, x, top, wide, high, f"attention-{layer}.{head}")
        sheet.box(x, top, wide, high, edge=RULE)
        sheet.text(x + wide / 2, 6, f"{layer}.{head}", TEXT, ha="center", bold=True)
        size, step = self._labels(cell)
        for at in range(0, queries, step):
            y, color = top + (at + 0.5) * cell, FAINT if self.marks[0].alone[at] else INK
            long = min(0.3 * sheet.width, self.fonts.width(self.fonts.written(self.queries[at]), size))
            self.marks[0].draw(sheet, at, x - 5 - long, y - 0.6 * size, long + 4, 1.2 * size)
            sheet.text(x - 3, y, self.queries[at], size, ha="right", color=color, room=0.3 * sheet.width)
        for at in range(0, keys, step):
            middle, color = x + (at + 0.5) * cell, FAINT if self.marks[1].alone[at] else INK
            long = min(0.3 * sheet.width, self.fonts.width(self.fonts.written(self.keys[at]), size))
            self.marks[1].draw(sheet, at, middle - 0.6 * size, top - 5 - long, 1.2 * size, long + 4)
            sheet.text(middle, top - 3, self.keys[at], size, turned=True, color=color, room=0.3 * sheet.width)
        if cell >= LEAST_CELL_WITH_NUMBER:
            for row, column in zip(*np.nonzero(np.abs(weights) >= 0.005), strict=True):
                number = self.number(float(weights[row, column]))
                red, green, blue = cells[row, column]
                middle = (x + (column + 0.5) * cell, top + (row + 0.5) * cell)
                sheet.text(*middle, number, SMALLEST + 0.5, ha="center", color=ink_on((red, green, blue)))
        if self.signed:
            self.sign_legend(sheet, x, top + high + 10)
        else:
            self._legend(sheet, x, top + high + 7)
        if by > 1:
            self.facts.append(
                f"Each cell shows the largest of {by}×{by} {'differences' if self.signed else 'weights'}."
            )
        rows = "Rows are queries and columns are keys."
        self.facts = [*self.facts, rows, *picker.sentences(), *self.comparison_facts()]

    def _weights(self, picker: Picker) -> tuple[Array, int]:
        queries, keys = len(self.queries), len(self.keys)
        by = -(-max(queries, keys) // MOST_CELLS)
        pooled = np.zeros((-(-queries // by), -(-keys // by)), dtype=np.float32)
        for rows, weights in picker.tiles(self.request.layer, self.request.heads):
            cells = strongest(weights[0], by)
            for offset in range(len(cells)):
                at = (rows.start + offset) // by
                pooled[at] = stronger(pooled[at], cells[offset])
        return pooled, by

    def _labels(self, cell: float) -> tuple[float, int]:
        return self.label_step(max(cell, 0.05))

    def _margins(self, cell: float) -> tuple[float, float]:
        size = max(SMALLEST, min(TEXT, 0.78 * cell))
        longest = self._room
        left = min(longest, widest(self.fonts, self.queries, size)) + 5
        return left, min(longest, widest(self.fonts, self.keys, size)) + 5 + HEADING

    def _cell(self, width: float, height: float) -> float:
        self._room = 0.3 * width
        cell = LARGEST_CELL
        for _ in range(3):  # smaller cells have smaller labels, which leave more room for the cells
            left, top = self._margins(cell)
            cell = min(LARGEST_CELL, (width - left - 1) / len(self.keys), (height - top - LEGEND) / len(self.queries))
        return max(cell, 0.01)

    def _legend(self, sheet: Sheet, x: float, y: float) -> None:
        """Draw a color ramp from 0 to 1 on the scale of the cells."""
        steps = np.linspace(0, 1, 33)
        colors = weight_colors(self.request.palette)(darkness(steps, self.scale))[None, :, :3]
        wide = 60.0
        sheet.text(x, y + 3, "0", SMALL, color=QUIET)
        sheet.cells(colors, x + 6, y, wide, 6, "scale")
        sheet.box(x + 6, y, wide, 6, edge=RULE)
        named = {"linear": "", "root": ", √ scale", "log": ", log scale"}[self.scale]
        sheet.text(x + wide + 9, y + 3, f"1  attention{named}", SMALL, color=QUIET)
