"""The base class of all views."""

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
"""Text sizes in points. Labels that would be smaller than `SMALLEST` are omitted, and the caption says so."""


class PaperView(ABC):
    """A view of a trace, ready to be drawn on a sheet of any size."""

    what = ""
    least_row = 7.0
    """Least height of a row, in points."""

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
