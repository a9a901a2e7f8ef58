"""What a figure of a difference draws: the current pass minus its baseline, and tokens that correspond to another or to none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from attnscope.appearance.numerals import signed
from attnscope.errors import InputError
from attnscope.figures.request import FIELDS, one_of
from attnscope.figures.text import Fonts, labels
from attnscope.figures.weights import Array, Picker, Rules
from attnscope.trace import Trace
from attnscope.trace.correspondence import Correspondence

MOST_NAMED = 8
"""The caption names up to this many replaced tokens."""


class DifferencePicker(Picker):
    """Reads differences layer by layer, instead of weights. They are 0 where tokens or heads don't correspond.

    The sentence filter and hidden sinks apply to either pass, `threshold` and `top` to the size of differences.
    """

    subject = "difference"

    def __init__(self, found: Correspondence, stack: str, rules: Rules) -> None:
        super().__init__(found.trace, stack, rules)
        self._found = found
        chosen = replace(rules, threshold=0.0, top=None)
        self._now, self._before = (Picker(one, stack, chosen) for one in (found.trace, found.baseline))

    def tiles(self, layer: int, heads: Sequence[int]) -> Iterator[tuple[slice, Array]]:
        """Yield all rows of some heads, a few at a time, as (rows, differences [head, row, key])."""
        count = self._found.heads(layer, self._stack)
        queries, keys = (one.numpy() for one in self._found.tokens(layer, self._stack))
        both = [at for at, head in enumerate(heads) if head < count]
        for at, weights in self._now.tiles(layer, heads):
            rows = queries[at]
            change = np.zeros_like(weights)
            if both and (rows >= 0).any():
                other = self._before.rows(layer, [heads[one] for one in both], torch.from_numpy(rows[rows >= 0]))
                own = weights[both][:, rows >= 0]
                inner = np.where(self._compared(keys), own - other[..., np.maximum(keys, 0)], 0)
                change[np.array(both)[:, None], np.flatnonzero(rows >= 0)] = inner
            self.dropped.total += float(np.abs(change).sum())
            yield at, self._limited(change)

    def _compared(self, keys: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which keys both passes show. `keys` are those of the baseline, or -1."""
        now, before, at = self._now, self._before, np.maximum(keys, 0)
        shown = (keys >= 0) & now.keys & before.keys[at]
        return shown & ~(now.sinks | before.sinks[at]) if self._rules.hide_sinks else shown

    def sentences(self) -> list[str]:
        """Return sentences on what is drawn of either pass, and on what each limit dropped."""
        rules, found = self._rules, []
        if rules.filter is not None:
            found.append(f"Only attention {rules.filter[0]} → {rules.filter[1]} is compared.")
        if rules.hide_sinks:
            then = "; the other weights of both passes are renormalized" if rules.hide_sinks == "renormalized" else ""
            found.append(f"Attention to the {self.sink_name} is hidden{then}.")
        return [*found, *self._limits()]


def difference_facts(found: Correspondence, fonts: Fonts) -> list[str]:
    """Sentences on the tokens that correspond to another token or to none."""
    facts, named = list(found.notes), list[str]()
    for side, pairs in found.replaced.items():
        here, there = (labels(one.sides.get(side, [])) for one in (found.trace, found.baseline))
        named += [f"“{fonts.written(here[own])}” replaces “{fonts.written(there[other])}”" for own, other in pairs]
    if named:
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        facts.append(f"Outlined tokens differ: {', '.join(named[:MOST_NAMED])}{more}.")
    if any(bool((one < 0).any()) for one in found.sides.values()):
        facts.append("Gray tokens have no counterpart in the baseline.")
    return facts


def compared(trace: Trace, baseline: Any, field: Any) -> Correspondence | None:
    """What corresponds to the baseline of a figure; None without one. Raises `InputError` for a wrong baseline or field."""
    if baseline is None:
        if field is not None:
            raise InputError(f"`field={field!r:.40}` needs a `baseline=` to compare with.")
        return None
    if not isinstance(baseline, Trace):
        raise InputError(f"`baseline` is a trace to compare with; got {type(baseline).__name__}.")
    one_of("field", field or "difference", FIELDS)
    return Correspondence.of(trace, baseline)


def counterparts(found: Correspondence, stack: str, tokens: Sequence[int]) -> tuple[int, ...]:
    """The tokens of the baseline that correspond to selected queries. Raises `InputError` if one has no counterpart."""
    check_tokens(found, stack, tokens)
    side = found.sides[found.trace.traced_stack(stack).query_side]
    return tuple(int(side[token]) for token in tokens)


def check_tokens(found: Correspondence, stack: str, tokens: Sequence[int]) -> None:
    """Raise `InputError` if a selected query has no counterpart in the baseline."""
    side = found.trace.traced_stack(stack).query_side
    for token in tokens:
        if int(found.sides[side][token]) < 0:
            text = found.trace.sides[side][token].text
            raise InputError(
                f"Token {token} ({text!r:.40}) has no counterpart in the baseline, so it has no difference."
            )


def alone(found: Correspondence, side: str) -> NDArray[np.bool_]:
    """Which tokens of a side have no counterpart."""
    return (found.sides[side] < 0).numpy()


def replaced(found: Correspondence, side: str) -> NDArray[np.bool_]:
    """Which tokens of a side correspond to another token."""
    marks = np.zeros(len(found.sides[side]), dtype=bool)
    marks[[own for own, _ in found.replaced[side]]] = True
    return marks


def short_difference(value: float) -> str:
    """Format a difference for a narrow column, with its sign: `+.12`, `−.05`; empty if it rounds to 0."""
    text = signed(value, 2)
    if not float(text.replace("−", "-")):
        return ""
    digits = text.lstrip("−")
    short = digits[1:] if digits.startswith("0") else digits
    return f"{'−' if value < 0 else '+'}{short}"
