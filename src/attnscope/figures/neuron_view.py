"""The neuron view (Vig 2019, figures 6 and 7): how a query and the keys produce the attention, dimension by dimension."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attnscope.appearance.numerals import end_of_scale, head_name, heads_name, scale_factor, score_text
from attnscope.attention import QKRecord
from attnscope.figures.neuron_vectors import subtracted, vectors_of
from attnscope.figures.palette import (
    ACCENT,
    FAINT,
    INK,
    MASKED,
    QUIET,
    RULE,
    SELECTED,
    Rgb,
    ink_on,
    mixed,
    sign_colors,
)
from attnscope.figures.sheet import Sheet, widest
from attnscope.figures.view import SMALL, SMALLEST, PaperView
from attnscope.figures.weights import Picker, darkness

HEADING = 32.0
LEGEND = 16.0
PAD = 3.0
GAP = 6.0
DOT = 20.0
SOFTMAX = 30.0
SIGN = 9.0
"""Further width of the softmax column for signs."""
BAR = 13.0
LEAST_CELL = 1.0
FOLDED = 3.4
"""Least height of each line of a folded vector, in points."""

Values = NDArray[np.float32]


@dataclass(frozen=True)
class Columns:
    """Layout in points: widths of labels, vectors and softmax, height of a row, and number of lines in a folded vector."""

    left: float
    vector: float
    gap: float
    right: float
    folds: int
    results: float
    row: float = 0.0
    size: float = 0.0

    @property
    def query(self) -> float:
        """Left edge of the query vectors."""
        return self.left + PAD

    @property
    def key(self) -> float:
        """Left edge of the key vectors."""
        return self.query + self.vector + self.gap

    @property
    def product(self) -> float:
        """Left edge of q × k."""
        return self.key + self.vector + GAP

    @property
    def dot(self) -> float:
        """Left edge of q · k."""
        return self.product + self.vector + GAP

    @property
    def softmax(self) -> float:
        """Left edge of the attention bars."""
        return self.dot + DOT + GAP

    @property
    def names(self) -> float:
        """Left edge of the key tokens."""
        return self.softmax + self.results

    def top(self, index: int) -> float:
        """Upper edge of a row."""
        return HEADING + index * self.row


@dataclass(frozen=True, eq=False)
class Numbers:
    """The numbers drawn for one query: q is [query, dim], k and q × k are [key, dim], the rest are [key]."""

    q: Values
    k: Values
    product: Values
    dot: Values
    weights: Values
    opacity: Values
    allowed: NDArray[np.bool_]


class NeuronView(PaperView):
    """One head and one query. Blue is positive and orange negative; each column is scaled to its largest magnitude."""

    what = "Neuron view"
    least_row = 8.0

    @property
    def where(self) -> str:
        """The head and the selected token."""
        token = self.fonts.written(self.queries[self._token])
        return f"{heads_name(self.request.layer, self.request.heads)}, token {self._token} ({token})"

    @property
    def _token(self) -> int:
        return len(self.queries) - 1 if self.request.token is None else self.request.token

    @cached_property
    def _picker(self) -> Picker:
        return self.picker()

    def height(self, width: float) -> float:
        """Rows are 12 points high, or higher if vectors are folded."""
        folds = self._columns(width, 8.0).folds
        return HEADING + LEGEND + self.rows * self.fitting_row(max(12.0, folds * FOLDED + 3), HEADING + LEGEND)

    def draw(self, sheet: Sheet) -> None:
        """Draw the five columns and the lines from the selected query to its keys."""
        row = min(20.0, (sheet.height - HEADING - LEGEND) / self.rows)
        size, step = self.label_step(row)
        at, numbers = self._columns(sheet.width, size, row), self._numbers()
        sheet.box(0, at.top(self._token), at.left, row, fill=SELECTED)
        self._connect(sheet, at, numbers.weights, numbers.opacity)
        for name, title, values, shown, x in (
            ("q", "query q", numbers.q, ~self.marks[0].alone, at.query),
            ("k", "key k", numbers.k, numbers.allowed, at.key),
            ("qxk", "q × k", numbers.product, numbers.allowed, at.product),
        ):
            full = float(np.abs(values[shown]).max(initial=0.0))
            self._heading(sheet, x + at.vector / 2, title, full)
            self._vectors(sheet, at, name, values, shown, x, full)
        sheet.box(at.query, at.top(self._token) + 1.5, at.vector, row - 3, edge=INK, weight=1.0)
        self._results(sheet, at, numbers)
        self._heading(sheet, at.softmax + at.results / 2, "softmax", self.full if self.signed else None)
        name = head_name(self.request.layer, self.request.heads[0])
        sheet.text(PAD, 5, name, SMALL + 1.5, bold=True)
        if self.signed:
            beside = PAD + self.fonts.width(name, SMALL + 1.5, bold=True) + 5
            sheet.text(beside, 5, "current − baseline", SMALL, color=QUIET)
        for index in range(0, len(self.queries), step):
            middle, bold, room = at.top(index) + row / 2, index == self._token, at.left - 2 * PAD
            color, long = self._label(0, index, size, room, bold=bold)
            self.marks[0].draw(sheet, index, at.left - PAD - long - 2, middle - 0.6 * size, long + 4, 1.2 * size)
            sheet.text(at.left - PAD, middle, self.queries[index], size, ha="right", color=color, bold=bold, room=room)
        for index in range(0, len(self.keys), step):
            middle, room = at.top(index) + row / 2, at.right - 2 * PAD
            color, long = self._label(1, index, size, room)
            color = color if numbers.allowed[index] else FAINT
            self.marks[1].draw(sheet, index, at.names + PAD - 2, middle - 0.6 * size, long + 4, 1.2 * size)
            sheet.text(at.names + PAD, middle, self.keys[index], size, color=color, room=room)
        self._legend(sheet, at.query, at.top(self.rows) + 6)
        more = (*self._picker.sentences(), *self.comparison_facts())
        self.facts = [*self.facts, *self._computed(at.folds, numbers.q.shape[-1]), *more]

    def _label(self, side: int, index: int, size: float, room: float, *, bold: bool = False) -> tuple[Rgb, float]:
        """Return the color and the width of a token's label."""
        text = (self.queries, self.keys)[side][index]
        long = min(room, self.fonts.width(self.fonts.written(text), size, bold=bold))
        return FAINT if self.marks[side].alone[index] else INK, long

    def _columns(self, width: float, size: float, row: float = 0.0) -> Columns:
        most = 0.2 * width
        selected = self.fonts.width(self.fonts.written(self.queries[self._token]), size, bold=True)
        left = min(most, max(selected, widest(self.fonts, self.queries, size))) + 2 * PAD
        right = min(most, widest(self.fonts, self.keys, size)) + 2 * PAD
        gap = max(16.0, 0.06 * width)
        results = SOFTMAX + (SIGN if self.signed else 0.0)
        vector = max(6.0, (width - left - right - PAD - gap - 3 * GAP - DOT - results) / 3)
        record = self.request.trace.layer_record(self.request.layer, self.request.stack)
        folds = max(1, math.ceil(LEAST_CELL * record.shape.qk_dim / vector))
        return Columns(left, vector, gap, right, folds, results, row, size)

    def _numbers(self) -> Numbers:
        place = (self.request.layer, self.request.heads[0], self.request.stack)
        token, found = self._token, self.request.comparison
        vectors = vectors_of(self.request.trace, place, token)
        if found is not None:
            vectors = subtracted(vectors, found, place, token)
        tiles = self._picker.tiles(self.request.layer, self.request.heads)
        weights = next(weights[0, token - rows.start] for rows, weights in tiles if rows.start <= token < rows.stop)
        # an edit can set the weight of an edge that another edit cut
        allowed = vectors.allowed | ((np.asarray(weights) != 0) & ~self.marks[1].alone)
        self.fit(weights[allowed])
        product = vectors.product
        return Numbers(vectors.q, vectors.k, product, product.sum(-1), weights, self.opacity(weights), allowed)

    def _vectors(
        self, sheet: Sheet, at: Columns, name: str, values: Values, shown: NDArray[np.bool_], x: float, full: float
    ) -> None:
        """Draw one vector per row as cells. A vector too long for the width is folded into several lines of its row."""
        per_line = math.ceil(values.shape[-1] / at.folds)
        for index, own in enumerate(values):
            y, high = at.top(index) + 1.5, at.row - 3
            if not shown[index]:
                sheet.box(x, y, at.vector, high, fill=MASKED)
                continue
            cells = np.zeros(at.folds * per_line, dtype=np.float32)
            cells[: len(own)] = own
            sheet.cells(self._signed(cells.reshape(at.folds, per_line), full), x, y, at.vector, high, f"{name}-{index}")
            sheet.box(x, y, at.vector, high, edge=RULE)

    def _signed(self, values: Any, full: float) -> NDArray[Any]:
        share = np.asarray(values) / full if full else np.zeros_like(values)
        return sign_colors()(0.5 + 0.5 * np.sign(share) * darkness(np.abs(share), self.scale))[..., :3]

    def _results(self, sheet: Sheet, at: Columns, numbers: Numbers) -> None:
        """Draw everything to the right of the vectors: dot products, softmax, and the shading of the key tokens."""
        full = float(np.abs(numbers.dot[numbers.allowed]).max(initial=0.0))
        self._heading(sheet, at.dot + DOT / 2, "q · k", full)
        for key, dot in enumerate(numbers.dot):
            y, high, middle = at.top(key) + 1, at.row - 2, at.top(key) + at.row / 2
            if not numbers.allowed[key]:
                sheet.box(at.dot, y, DOT, high, fill=MASKED)
                sheet.text(at.names - PAD, middle, "–", at.size * 0.85, ha="right", color=FAINT)
                continue
            red, green, blue = self._signed([float(dot)], full)[0]
            sheet.box(at.dot, y, DOT, high, fill=(red, green, blue), edge=RULE)
            if at.row >= self.least_row:
                number, ink = score_text(float(dot)), ink_on((red, green, blue))
                sheet.text(at.dot + DOT / 2, middle, number, SMALLEST + 0.5, ha="center", color=ink, room=DOT + 2)
            weight = float(numbers.weights[key])
            self._bar(sheet, at.softmax, middle, weight)
            sheet.text(at.names - PAD, middle, self.number(weight), at.size * 0.85, ha="right")
            if numbers.opacity[key] > 0:
                fill = mixed(self.color(weight, ACCENT), 0.45 * float(numbers.opacity[key]))
                sheet.box(at.names, y - 0.6, at.right, high + 1.2, fill=fill)

    def _bar(self, sheet: Sheet, x: float, middle: float, weight: float) -> None:
        """Draw a weight as a bar from the left, or a difference as one from the center."""
        if not self.signed:
            sheet.box(x, middle - 2, BAR * weight, 4, fill=ACCENT)
            return
        long = 0.5 * BAR * weight / self.full
        sheet.box(x + 0.5 * BAR + min(0.0, long), middle - 2, abs(long), 4, fill=self.color(weight, ACCENT))

    def _connect(self, sheet: Sheet, at: Columns, weights: Values, opacity: Values) -> None:
        """Draw lines from the selected query vector through the columns, with the weight as opacity."""
        names = (f"attention-{self.request.layer}.{self.request.heads[0]}", "to-product", "to-dot")
        spans = ((at.query, at.key), (at.key, at.product), (at.product, at.dot))
        for suffix, those, color in self.parts(weights, ACCENT):
            keys = np.flatnonzero(those & (opacity > 0))
            to, own = HEADING + (keys + 0.5) * at.row, opacity[keys]
            for name, (left, x1) in zip(names, spans, strict=True):
                start = np.full(len(keys), at.top(self._token) + at.row / 2) if left == at.query else to
                ends = np.stack([np.full(len(keys), left + at.vector), start, np.full(len(keys), x1), to], axis=1)
                sheet.curves(ends, color, own, 0.6 + 0.9 * own, "solid", f"{name}{suffix}")

    def _legend(self, sheet: Sheet, x: float, y: float) -> None:
        sheet.text(x, y + 2, "−", SMALL, color=QUIET)
        sheet.cells(self._signed(np.linspace(-1, 1, 33)[None], 1.0), x + 6, y - 1, 50, 6, "scale")
        sheet.box(x + 6, y - 1, 50, 6, edge=RULE)
        sheet.text(x + 59, y + 2, "+  scaled to ± of each column", SMALL, color=QUIET)

    def _computed(self, folds: int, dims: int) -> list[str]:
        """Return sentences on how the softmax column follows from q · k."""
        record = self.request.trace.layer_record(self.request.layer, self.request.stack)
        assert isinstance(record, QKRecord)
        more = [f"a soft cap of {record.softcap:g}"] if record.softcap is not None else []
        more += ["a bias on the scores"] if record.bias is not None else []
        more += ["a learned sink"] if record.sinks is not None else []
        terms = f", with {' and '.join(more)}" if more else ""
        sentences = [f"The softmax is taken over q · k times {scale_factor(record.scaling)}{terms}."]
        if folds > 1:
            sentences.append(f"The {dims} dimensions of each vector are folded into {folds} lines.")
        return sentences

    def _heading(self, sheet: Sheet, middle: float, title: str, full: float | None) -> None:
        """Draw a column's title, and below it the largest magnitude, which has the full color."""
        change = "Δ " if self.signed else ""
        sheet.text(middle, 14, f"{change}{title}", SMALL + 0.5, ha="center")
        if full is not None:
            sheet.text(middle, 23.5, f"±{end_of_scale(full)}", SMALLEST + 0.5, ha="center", color=QUIET)
