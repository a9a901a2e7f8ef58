"""The attention-head view (Vig 2019, figures 1 and 2): tokens in two columns, connected by a line for each weight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from attnscope.appearance.numerals import head_name, heads_name
from attnscope.figures.palette import FAINT, INK, QUIET, RULE, SELECTED, WHITE, dash_style, head_color, ink_on, mixed
from attnscope.figures.sheet import Sheet, widest
from attnscope.figures.view import LEGEND_ROOM, SMALL, TEXT, PaperView
from attnscope.figures.weights import Array
from attnscope.trace.positions import span_words

HEADING = 18.0
SQUARE = 10.0
PAD = 4.0
WIDEST_GAP = 190.0
FAINTEST = 0.002
"""Lines fainter than this opacity would be invisible."""
MOST_LINES = 20_000
MOST_TOKENS = 2_048


class HeadView(PaperView):
    """One or more heads of a layer. Lines have the color of their head, and their opacity shows the weight."""

    what = "Attention"

    @property
    def where(self) -> str:
        """The heads and the selected token: `head 11.0`, `layer 2, heads 0, 9`, `head 11.0, from token 8 (lazy)`."""
        layer, heads = self.request.layer, self.request.heads
        named = heads_name(layer, heads)
        tokens = self.request.tokens
        if not tokens:
            return named
        words = " ".join(self.fonts.written(self.queries[token]) for token in tokens)
        return f"{named}, from token{'s' if len(tokens) > 1 else ''} {span_words(tokens)} ({words})"

    def height(self, width: float) -> float:
        """Rows are 13 points high, down to 7 points if there are many."""
        top = self._heading(width)
        margins = top + 2 + self._legend
        return margins + self.rows * self.fitting_row(13.0, margins)

    def draw(self, sheet: Sheet) -> None:
        """Draw the head squares, both token columns and the lines."""
        top = self._heading(sheet.width)
        row = min(16.0, (sheet.height - top - 2 - self._legend) / self.rows)
        size, step = self.label_step(row)
        selected = list(self.request.tokens)
        numbers = (20.0 if self.signed else 16.0) if selected and len(self.request.heads) == 1 else 0.0
        most = 0.34 * sheet.width
        left = min(most, self._widest_query(size)) + 2 * PAD
        right = min(most, widest(self.fonts, self.keys, size)) + 2 * PAD + numbers
        gap = min(WIDEST_GAP, sheet.width - left - right)
        start = (sheet.width - left - gap - right) / 2
        x0, x1 = start + left, start + left + gap
        picker = self.picker()
        weights = picker.whole(self.request.layer, self.request.heads)
        means = weights[:, selected].mean(axis=1) if selected else weights[:, 0]
        if selected:
            weights = np.where(np.isin(np.arange(weights.shape[1]), selected)[None, :, None], weights, 0)
            self.fit(weights, means)
            self._shade(sheet, means, x1, right, top, row)
            for token in selected:
                sheet.box(start, top + token * row, left, row, fill=SELECTED)
        if len(selected) > 1:
            self.facts.append(f"Keys are shaded by the mean weight from the {len(selected)} selected tokens.")
        self.fit(weights)
        self._squares(sheet, start, left + gap + right)
        self._lines(sheet, weights, x0, x1, top, row)
        for at in range(0, len(self.queries), step):
            y, bold = top + (at + 0.5) * row, at in selected
            color = INK if picker.queries[at] and not self.marks[0].alone[at] else FAINT
            wide = min(most, self.fonts.width(self.fonts.written(self.queries[at]), size, bold=bold))
            self.marks[0].draw(sheet, at, x0 - PAD - wide - 2, y - 0.45 * row, wide + 4, 0.9 * row)
            sheet.text(x0 - PAD, y, self.queries[at], size, ha="right", color=color, bold=bold, room=most)
        for at in range(0, len(self.keys), step):
            shown = picker.keys[at] and not (self.request.rules.hide_sinks and picker.sinks[at])
            shown = shown and not self.marks[1].alone[at]
            y, color = top + (at + 0.5) * row, INK if shown else FAINT
            wide = min(most, self.fonts.width(self.fonts.written(self.keys[at]), size))
            self.marks[1].draw(sheet, at, x1 + PAD - 2, y - 0.45 * row, wide + 4, 0.9 * row)
            if shown and numbers:
                color = ink_on(self._mark(float(means[0, at])))
                sheet.text(
                    x1 + right - PAD,
                    y,
                    self.number(float(means[0, at])),
                    size * 0.85,
                    ha="right",
                    color=color,
                )
            sheet.text(x1 + PAD, y, self.keys[at], size, color=color, room=most)
        border = self.sentence_border()
        if border is not None:
            for a, b in ((start, x0), (x1, x1 + right)):
                sheet.rule(a, b, top + border * row, RULE)
        if self.signed:
            self.sign_legend(sheet, start + PAD, top + self.rows * row + self._legend / 2 + 2)
        self.facts = [*self.facts, *picker.sentences(), *self.comparison_facts()]

    @property
    def _legend(self) -> float:
        return LEGEND_ROOM if self.signed else 0.0

    def _widest_query(self, size: float) -> float:
        selected = [self.fonts.written(self.queries[token]) for token in self.request.tokens]
        bold = max((self.fonts.width(text, size, bold=True) for text in selected), default=0.0)
        return max(bold, widest(self.fonts, self.queries, size))

    def _heading(self, width: float) -> float:
        """Return the height of the head squares above the tokens."""
        if len(self.request.heads) == 1:
            return HEADING
        beside = self.fonts.width(f"layer {self.request.layer}", SMALL + 0.5) + PAD
        self._beside, self._in_line = beside, max(1, int((width - beside) // (SQUARE + 2)))
        return HEADING + (-(-len(self.request.heads) // self._in_line) - 1) * (SQUARE + 2)

    def _squares(self, sheet: Sheet, start: float, width: float) -> None:
        """Draw the color key: a square for each head."""
        layer, heads = self.request.layer, self.request.heads
        if len(heads) == 1:
            name = head_name(layer, heads[0])
            x = start + (width - SQUARE * 0.7 - 3 - self.fonts.width(name, TEXT)) / 2
            if not self.signed:
                sheet.box(x, 3.5, SQUARE * 0.7, SQUARE * 0.7, fill=head_color(heads[0]))
            sheet.text(x + SQUARE * 0.7 + 3, 7, name, TEXT, bold=True)
            return
        used = self._beside + min(len(heads), self._in_line) * (SQUARE + 2)
        x = max(0.0, (sheet.width - used) / 2)
        sheet.text(x, 7, f"layer {layer}", SMALL + 0.5, color=QUIET)
        for index, head in enumerate(heads):
            line, column = divmod(index, self._in_line)
            at, y = x + self._beside + column * (SQUARE + 2), 2 + line * (SQUARE + 2)
            fill = WHITE if self.signed else head_color(head)
            sheet.box(at, y, SQUARE, SQUARE, fill=fill, edge=QUIET if self.signed else None)
            sheet.text(at + SQUARE / 2, y + SQUARE / 2, str(head), SMALL, ha="center", color=ink_on(fill))

    def _mark(self, weight: float) -> tuple[float, float, float]:
        return mixed(self.color(weight, head_color(self.request.heads[0])), 0.85 * float(self.opacity(weight)))

    def _shade(self, sheet: Sheet, weights: Array, x: float, width: float, top: float, row: float) -> None:
        """Shade the keys of the selected query by weight, with a band for each head."""
        band = width / len(weights)
        for index, (head, own) in enumerate(zip(self.request.heads, weights, strict=True)):
            for key in np.flatnonzero(own):
                fill = mixed(self.color(own[key], head_color(head)), 0.85 * float(self.opacity(own[key])))
                sheet.box(x + index * band, top + key * row + 0.4, band, row - 0.8, fill=fill)

    def _lines(self, sheet: Sheet, weights: Array, x0: float, x1: float, top: float, row: float) -> None:
        opacity = self.opacity(weights)
        least = self._least(opacity)
        heads = self.request.heads
        spread = min(0.5 * row, 1.1 * (len(heads) - 1))
        for index, head in enumerate(heads):
            strand = spread * (index / max(1, len(heads) - 1) - 0.5)
            for suffix, those, color in self.parts(weights[index], head_color(head)):
                query, key = np.nonzero(those & (opacity[index] >= least))
                ys = top + row * (np.stack([query, key]) + 0.5) + strand
                ends: NDArray[np.float64] = np.stack(
                    [np.full(len(query), x0), ys[0], np.full(len(query), x1), ys[1]], axis=1
                )
                own = opacity[index, query, key]
                name = f"attention-{self.request.layer}.{head}{suffix}"
                sheet.curves(ends, color, own, 0.6 + 0.9 * own, dash_style(head), name)

    def _least(self, opacity: Array) -> float:
        """Return the lowest opacity that is drawn, which limits the number of lines so that the file stays usable."""
        visible = opacity[opacity >= FAINTEST]
        if len(visible) <= MOST_LINES:
            return FAINTEST
        least = float(np.partition(visible, -MOST_LINES)[-MOST_LINES])
        self.facts.append(f"Of {len(visible):,} lines, only the {MOST_LINES:,} with the largest weights are drawn.")
        return least
