"""`match`: all heads by how much of their attention follows a pattern, as a pandas table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from torch import Tensor

from attnscope.analysis import patterns
from attnscope.analysis.arguments import check_trace
from attnscope.analysis.pattern_match import Match, match_of
from attnscope.analysis.patterns import Pattern
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.words import reading
from attnscope.validation import FLAG, Kind, check_arguments, is_index, is_whole

if TYPE_CHECKING:
    import pandas

NAMED: dict[str, Callable[[], Pattern]] = {
    "previous": lambda: patterns.offset(1),
    "self": lambda: patterns.offset(0),
    "next": lambda: patterns.offset(-1),
    "same word": patterns.same_word,
    "aligned words": patterns.aligned,
    "induction": patterns.induction,
    "brackets": patterns.brackets,
    "next item": patterns.next_item,
}
"""Patterns that a name stands for."""

_COUNT = Kind("an integer from 0 to 1000", lambda value: is_whole(value) and 0 <= int(value) <= 1000)  # pyright: ignore[reportArgumentType]
_SEED = Kind("an integer, at least 0", lambda value: is_whole(value) and int(value) >= 0)  # pyright: ignore[reportArgumentType]


def pattern_of(value: Any) -> Pattern:
    """A pattern from anything that `match` takes for one. Raises `InputError` for anything else."""
    if isinstance(value, Pattern):
        return value
    if isinstance(value, str):
        name = value.strip().lower().replace("_", " ")
        if name not in NAMED:
            raise InputError(
                f"There is no pattern {value!r:.80}. Use one of {', '.join(map(repr, NAMED))}, or make one with "
                "`analysis.patterns`."
            )
        return NAMED[name]()
    if is_index(value) and not getattr(value, "shape", ()):
        return patterns.offset(value)
    if isinstance(value, (Tensor, np.ndarray, list, tuple)) or hasattr(value, "__array__"):
        return patterns.matrix(value)
    if callable(value):
        return patterns.predicate(cast("Any", value))
    raise InputError(
        "`pattern` is a pattern (`analysis.patterns`), its name, an offset, a function of query and key, or an array "
        f"[query, key]; got {value!r:.80}."
    )


@check_arguments(off_sink=FLAG, draws=_COUNT, seed=_SEED)
def match(
    trace: Trace, pattern: Any, stack: str | None = None, *, off_sink: bool = False, draws: int = 20, seed: int = 0
) -> pandas.DataFrame:
    """All heads by the share of their attention that follows a pattern, the largest first.

    `pattern` is one of `analysis.patterns`; a name ("previous", "self", "next", "same word", "aligned words", "induction",
    "brackets", "next item"); an offset (2 is the token before the previous one); a function of query and key that returns True
    or False (`patterns.predicate`); or an array [query, key] of 0 and 1.

    Only queries count that may attend to a key of the pattern. The columns, with P = 1 for the pairs of the pattern:

    - `layer`, `head`.
    - `share`: Σ α·P / Σ α over these queries.
    - `accuracy`: the share of queries whose most attended key is one of the pattern's (a tie doesn't count). Words of several
      tokens count as one, summed over the pieces of the key and averaged over the pieces of the query (Clark 2019).
    - `offset`, `offset_accuracy`, `offset_share`: the baseline. The fixed offset that is right most often for the same queries,
      how often it is right, and the head's own share of attention there. Undefined in cross-attention.
    - `shuffled`, `shuffled_high`: the control. `share` for the pattern with its keys shuffled within each query's allowed keys;
      the mean and the largest of `draws` draws.
    - `closeness`: 1 − the mean over queries of Σ_j |α − P|; 1 for a head that does nothing else, −1 for one that never does it.
    - `rows`: the number of query tokens that count.

    `off_sink` drops attention sinks (the first token of a causal stack, special tokens) and renormalizes each row; use it in
    decoders to see past the first token. Raises `InputError` for a pattern that has no pair in this text, or that no query may
    follow.
    """
    check_trace(trace, "match")
    chosen = pattern_of(pattern)
    found = match_of(trace, chosen, stack, off_sink=bool(off_sink), draws=int(draws), seed=int(seed))
    if not bool(found.rows.any()):
        raise InputError(_without_pairs(trace, chosen, stack, off_sink=bool(off_sink)))
    return _table(found)


def _table(found: Match) -> pandas.DataFrame:
    import pandas

    shuffled = found.shuffled_shares
    drawn = len(shuffled) > 0
    undefined = np.full(len(found.layer), np.nan)
    columns: dict[str, Any] = {
        "layer": found.layer.numpy(),
        "head": found.head.numpy(),
        "share": found.share.numpy(),
        "accuracy": found.accuracy.numpy(),
        "offset": pandas.array(found.offset.tolist(), dtype="Int64"),
        "offset_accuracy": found.offset_accuracy.numpy(),
        "offset_share": found.offset_share.numpy(),
        "shuffled": shuffled.mean(0).numpy() if drawn else undefined,
        "shuffled_high": shuffled.amax(0).numpy() if drawn else undefined,
        "closeness": found.closeness.numpy(),
        "rows": found.rows.long().numpy(),
    }
    table = pandas.DataFrame(columns)
    table.loc[(found.best_offset < 0).numpy(), "offset"] = pandas.NA
    return table.sort_values("share", ascending=False, kind="stable", ignore_index=True)


def _without_pairs(trace: Trace, pattern: Pattern, stack: str | None, *, off_sink: bool) -> str:
    """Why no query counts."""
    groups = TokenGroups.of(trace, stack)
    pairs = len(pattern.related(groups).queries)
    text = reading(groups.query_tokens)
    if not pairs:
        return f'The pattern "{pattern.name}" has no pair in the text "{text}". Use a text that has one.'
    why = (
        "its keys are masked for these queries, padding, or attention sinks"
        if off_sink
        else "its keys are masked or padding"
    )
    later = " In a causal stack, a query cannot attend to later tokens." if groups.causal else ""
    return f'No query of the text "{text}" may attend to a key of the pattern "{pattern.name}": {why}.{later}'
