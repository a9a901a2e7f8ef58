"""The base class of all views."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from attnscope.appearance.numerals import end_of_scale, short_weight
from attnscope.errors import TooLongError
from attnscope.figures.comparison import DifferencePicker, alone, difference_facts, replaced, short_difference
from attnscope.figures.palette import LESS, MASKED, MORE, QUIET, RULE, Rgb, sign_colors, weight_colors
from attnscope.figures.paper import PAGE_HEIGHT, POINTS
from attnscope.figures.request import Request
from attnscope.figures.sheet import Sheet
from attnscope.figures.text import Fonts, labels
from attnscope.figures.weights import SCALE_DESCRIPTIONS, Array, Picker, Scale, darkness
from attnscope.trace.correspondence import Correspondence

TEXT = 8.0
SMALL = 6.5
SMALLEST = 5.0
"""Text sizes in points. Labels that would be smaller than `SMALLEST` are omitted, and the caption says so."""


LEGEND_ROOM = 14.0
"""Height of the legend of differences, in points."""


@dataclass(frozen=True, eq=False)
class Marks:
    """The tokens of one side that have no counterpart in the baseline, or another token as counterpart."""

    alone: NDArray[np.bool_]
    replaced: NDArray[np.bool_]

    @classmethod
    def of(cls, found: Correspondence | None, side: str, count: int) -> Marks:
        """The marks of a side; none without a comparison."""
        none = np.zeros(count, dtype=bool)
        return cls(none, none) if found is None else cls(alone(found, side), replaced(found, side))

    def pooled(self, by: int) -> NDArray[np.bool_]:
        """Which groups of `by` tokens have no token with a counterpart."""
        return np.logical_and.reduceat(self.alone, np.arange(0, len(self.alone), by))

    def draw(self, sheet: Sheet, token: int, x: float, y: float, width: float, height: float) -> None:
        """Draw the mark of a token around its label: gray without a counterpart, outlined with another one."""
        if self.alone[token]:
            sheet.box(x, y, width, height, fill=MASKED)
        if self.replaced[token]:
            sheet.box(x, y, width, height, edge=QUIET)


class PaperView(ABC):
    """A view of a trace, ready to be drawn on a sheet of any size."""

    what = ""
    full = 1.0
    """The weight, or the size of the difference, that has the full color."""
    least_row = 7.0
    """Least height of a row, in points."""

    def __init__(self, request: Request, fonts: Fonts) -> None:
        self.request, self.fonts = request, fonts
        self.facts: list[str] = []
        queries, keys = request.trace.tokens_for(request.stack)
        self.query_tokens, self.key_tokens = queries, keys
        self.queries = labels(queries)
        self.keys = self.queries if keys is queries else labels(keys)
        found, traced = request.comparison, request.trace.traced_stack(request.stack)
        sides = ((traced.query_side, queries), (traced.key_side, keys))
        self.marks = [Marks.of(found, side, len(tokens)) for side, tokens in sides]

    @property
    @abstractmethod
    def where(self) -> str:
        """The head or heads, as named in the caption."""

    @abstractmethod
    def height(self, width: float) -> float:
        """Return a suitable height for a width, both in points. Raises `TooLongError` if it would not fit on a page."""

    @abstractmethod
    def draw(self, sheet: Sheet) -> None:
        """Draw the view, and append sentences for the caption to `facts`."""

    @property
    def scale(self) -> Scale:
        """The scale from weight to darkness: the requested one, or else the view's default."""
        return self.request.scale or "linear"

    def picker(self) -> Picker:
        """Reads what is drawn: weights, or differences."""
        request = self.request
        if request.comparison is None:
            return Picker(request.trace, request.stack, request.rules)
        return DifferencePicker(request.comparison, request.stack, request.rules)

    @property
    def signed(self) -> bool:
        """Whether the figure shows a difference."""
        return self.request.comparison is not None

    def fit(self, *values: Array) -> None:
        """Give the largest of these differences the full color. Weights always run to 1."""
        if self.signed:
            self.full = max((float(np.abs(one).max(initial=0.0)) for one in values), default=0.0) or 1.0

    def opacity(self, values: Any) -> Array:
        """Return how strongly weights or differences are drawn, from 0 to 1."""
        return darkness(np.abs(values) / self.full, self.scale)

    def parts(self, values: Array, color: Rgb) -> list[tuple[str, NDArray[np.bool_], Rgb]]:
        """Which values are drawn in which color, with a suffix for their name: weights in `color`, differences by sign."""
        if not self.signed:
            return [("", np.ones(values.shape, dtype=bool), color)]
        return [("-less", values < 0, LESS), ("-more", values > 0, MORE)]

    def color(self, value: float, color: Rgb) -> Rgb:
        """Return the color of a weight, `color`, or that of a difference."""
        return color if not self.signed else LESS if value < 0 else MORE

    def fills(self, values: Any) -> NDArray[Any]:
        """Return the colors of cells, [row, column, rgb]."""
        dark = self.opacity(values)
        if self.signed:
            return sign_colors()(0.5 + 0.5 * np.sign(values) * dark)[..., :3]
        return weight_colors(self.request.palette)(dark)[..., :3]

    def scale_sentence(self) -> str:
        """Return how numbers become darkness."""
        described = SCALE_DESCRIPTIONS[self.scale]
        if not self.signed:
            return f"Scale: {described}."
        described = described.replace("weight", "size of the difference")
        return f"Scale: {described}, where {end_of_scale(self.full)} is darkest. Blue is positive and orange negative."

    def number(self, value: float) -> str:
        """Format a weight or a difference for a narrow column; empty if it rounds to 0."""
        return short_difference(value) if self.signed else short_weight(value)

    def comparison_facts(self) -> list[str]:
        """Return sentences on what corresponds to the baseline."""
        found = self.request.comparison
        return [] if found is None else difference_facts(found, self.fonts)

    def sign_legend(self, sheet: Sheet, x: float, y: float) -> None:
        """Draw the color ramp of differences, centered vertically on y."""
        end = end_of_scale(self.full)
        left = self.fonts.width(f"−{end}", SMALL) + 3
        ramp = self.fills(np.linspace(-self.full, self.full, 33)[None])
        sheet.text(x, y, f"−{end}", SMALL, color=QUIET)
        sheet.cells(ramp, x + left, y - 3, 50, 6, "scale")
        sheet.box(x + left, y - 3, 50, 6, edge=RULE)
        named = {"linear": "", "root": ", √ scale", "log": ", log scale"}[self.scale]
        sheet.text(x + left + 53, y, f"+{end}  current − baseline{named}", SMALL, color=QUIET)

    @property
    def rows(self) -> int:
        """The number of rows of tokens."""
        return max(len(self.queries), len(self.keys))

    def fitting_row(self, wish: float, margins: float) -> float:
        """Return the height of a row: `wish`, or less to fit all rows on a page with these margins."""
        row = min(wish, (PAGE_HEIGHT * POINTS - margins) / self.rows)
        if row < self.least_row:
            most = int((PAGE_HEIGHT * POINTS - margins) / self.least_row)
            raise TooLongError(
                f"{self.rows} tokens do not fit on a page in this view; at most {most} do. Use `view='matrix'` or a shorter "
                "text, or pass `figsize=` for a figure larger than a page."
            )
        return row

    def label_step(self, row: float) -> tuple[float, int]:
        """Return the label size for rows of a height, and the number of rows from one label to the next."""
        size = min(TEXT, 0.78 * row)
        if size >= SMALLEST:
            return size, 1
        step = math.ceil(SMALLEST / 0.78 / row)
        self.facts.append(f"One token in {step} is labeled.")
        return SMALLEST, step

    def sentence_border(self) -> int | None:
        """Return the index of the first token of sentence B, or None if there is no sentence B."""
        return next((at for at, token in enumerate(self.query_tokens) if token.sentence == "B"), None)
