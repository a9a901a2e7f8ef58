"""The head view for image inputs: the image once per head, with the patches that the query attends to highlighted."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from attnscope.appearance.numerals import head_name, heads_name
from attnscope.figures.palette import INK, QUIET, head_color
from attnscope.figures.sheet import Sheet
from attnscope.figures.view import LEGEND_ROOM, SMALL, TEXT, PaperView
from attnscope.figures.weights import darkness
from attnscope.trace import Trace

GAP = 6.0
CAPTION = 12.0
MOST_ACROSS = 4
FADED = 0.62
TINTED = 0.7


def is_image(trace: Trace, stack: str) -> bool:
    """Return whether all non-special keys of a stack are patches of one image, and the trace contains that image."""
    _, keys = trace.tokens_for(stack)
    patches = {token.image for token in keys if token.box is not None}
    return len(patches) == 1 and len(trace.images) > 0 and all(token.special or token.box for token in keys)


class ImageView(PaperView):
    """One image per head. Each patch is tinted in the head's color by its weight relative to the largest on any patch."""

    what = "Attention"

    @property
    def where(self) -> str:
        """The heads and the query: `head 11.0, from patch 3,4`."""
        layer, heads = self.request.layer, self.request.heads
        named = heads_name(layer, heads)
        return f"{named}, from {self._from}"

    def height(self, width: float) -> float:
        """Images are side by side, at most four in a row."""
        bottom = self._bottom(self._side(width, self._grid[0]))
        return bottom + LEGEND_ROOM if self.signed else bottom

    def draw(self, sheet: Sheet) -> None:
        """Draw an image for each head, with its largest weight below."""
        across, _ = self._grid
        side = self._side(sheet.width, across)
        sheet.text(0, 5, f"from {self._from}", TEXT, color=INK)
        picker = self.picker()
        weights = picker.whole(self.request.layer, self.request.heads)[:, self._query]
        patches = [at for at, token in enumerate(self.key_tokens) if token.box]
        self.fit(weights[:, patches])
        for at, head in enumerate(self.request.heads):
            x = (at % across) * (side + GAP)
            y = CAPTION + (at // across) * (side * self._aspect + CAPTION + GAP)
            most = max((float(weights[at, i]) for i in patches), key=abs, default=0.0)
            lit = self._lit(weights[at], self.full if self.signed else most, head)
            sheet.cells(lit, x, y, side, side * self._aspect, f"image-{self.request.layer}.{head}")
            self._frame(sheet, x, y, side)
            below = y + side * self._aspect + 7
            sheet.text(x, below, head_name(self.request.layer, head), SMALL, bold=True, color=INK)
            number = f"{most:+.2g}".replace("-", "−") if self.signed else f"max {most:.2g}"
            sheet.text(x + side, below, number, SMALL, ha="right", color=QUIET)
        if self.signed:
            self.sign_legend(sheet, 0, self._bottom(side) + LEGEND_ROOM / 2)
        tinted = (
            "Each patch is tinted by its difference; the number is the largest one in the head."
            if self.signed
            else "Each patch is tinted by its weight relative to the largest weight on any patch, which is given as max."
        )
        self.facts = [
            *self.facts,
            tinted,
            *picker.sentences(),
            *self.comparison_facts(),
        ]

    def _bottom(self, side: float) -> float:
        return CAPTION + self._grid[1] * (side * self._aspect + CAPTION + GAP)

    @property
    def _from(self) -> str:
        return self.query_tokens[self._query].text

    @property
    def _query(self) -> int:
        """The selected query, or else the first special token (which represents the whole image), or else the middle one."""
        if self.request.token is not None:
            return self.request.token
        special = next((at for at, token in enumerate(self.query_tokens) if token.special), None)
        return len(self.query_tokens) // 2 if special is None else special

    @property
    def _grid(self) -> tuple[int, int]:
        across = min(MOST_ACROSS, len(self.request.heads))
        return across, -(-len(self.request.heads) // across)

    @property
    def _image(self) -> int:
        return next(token.image or 0 for token in self.key_tokens if token.box is not None)

    @property
    def _aspect(self) -> float:
        image = self.request.trace.images[self._image]
        return image.height / image.width

    def _side(self, width: float, across: int) -> float:
        return (width - GAP * (across - 1)) / across

    def _lit(self, weights: NDArray[np.float32], most: float, head: int) -> NDArray[np.float64]:
        data = self.request.trace.images[self._image].data
        gray = np.asarray(Image.open(io.BytesIO(data)).convert("L"), dtype=np.float64)[..., None] / 255
        faded = (gray * (1 - FADED) + FADED).repeat(3, axis=-1)
        for token, weight in zip(self.key_tokens, weights, strict=True):
            if token.box is None or most <= 0:
                continue
            x0, y0, x1, y1 = token.box
            light = float(darkness(abs(float(weight)) / most, self.scale))
            tint = np.asarray(self.color(float(weight), head_color(head)))
            here = gray[y0:y1, x0:x1] * (1 - TINTED * light) + tint * TINTED * light
            faded[y0:y1, x0:x1] = faded[y0:y1, x0:x1] * (1 - light) + here * light
        return faded

    def _frame(self, sheet: Sheet, x: float, y: float, side: float) -> None:
        box = self.query_tokens[self._query].box
        if box is None:
            return
        scale = side / self.request.trace.images[self._image].width
        sheet.box(
            x + box[0] * scale, y + box[1] * scale, (box[2] - box[0]) * scale, (box[3] - box[1]) * scale, edge=INK
        )
