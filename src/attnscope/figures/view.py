"""What all views have in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

from attnscope.errors import TooLongError
from attnscope.figures.paper import PAGE_HEIGHT, POINTS
from attnscope.figures.request import Request
from attnscope.figures.sheet import Sheet
from attnscope.figures.text import Fonts, labels
from attnscope.figures.weights import Scale

TEXT = 8.0
SMALL = 6.5
SMALLEST = 5.0
"""Sizes of text in points. Text smaller than the last is left out, and the caption says so."""


class PaperView(ABC):
    """A view of a trace, ready to be drawn on a sheet of any size."""

    what = ""
    least_row = 7.0
    """Points that a row needs at least."""

    def __init__(self, request: Request, fonts: Fonts) -> None:
        self.request, self.fonts = request, fonts
        self.facts: list[str] = []
        queries, keys = request.trace.tokens_for(request.stack)
        self.query_tokens, self.key_tokens = queries, keys
        self.queries = labels(queries)
        self.keys = self.queries if keys is queries else labels(keys)

    @property
    @abstractmethod
    def where(self) -> str:
        """The head or heads, as the caption names them."""

    @abstractmethod
    def height(self, width: float) -> float:
        """The height in points that suits a width. Raises `TooLongError` where no page is high enough."""

    @abstractmethod
    def draw(self, sheet: Sheet) -> None:
        """Draw, and put what the caption must say into `facts`."""

    @property
    def scale(self) -> Scale:
        """How weights become darkness: as asked, else what suits the view."""
        return self.request.scale or "linear"

    @property
    def rows(self) -> int:
        """The number of rows of tokens."""
        return max(len(self.queries), len(self.keys))

    def fitting_row(self, wish: float, margins: float) -> float:
        """The height of a row: as wished, or what fits a page beside the margins."""
        row = min(wish, (PAGE_HEIGHT * POINTS - margins) / self.rows)
        if row < self.least_row:
            most = int((PAGE_HEIGHT * POINTS - margins) / self.least_row)
            raise TooLongError(
                f"{self.rows} tokens do not fit a page in this view ({most} do). Use `view='matrix'`, a shorter text, or pass "
                "`figsize=` to draw larger than a page."
            )
        return row

    def label_step(self, row: float) -> tuple[float, int]:
        """The size of the labels of rows of a height, and how many rows there are from one label to the next."""
        size = min(TEXT, 0.78 * row)
        if size >= SMALLEST:
            return size, 1
        step = math.ceil(SMALLEST / 0.78 / row)
        self.facts.append(f"One token in {step} is named.")
        return SMALLEST, step

    def sentence_border(self) -> int | None:
        """Where sentence B starts, where there are two."""
        return next((at for at, token in enumerate(self.query_tokens) if token.sentence == "B"), None)
