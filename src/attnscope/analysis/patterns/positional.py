"""Patterns given by positions: a fixed offset, a function, or an array."""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from attnscope.analysis.patterns.pattern import Pattern, Related, digest, require_one_text
from attnscope.analysis.token_groups import TokenGroups
from attnscope.errors import InputError
from attnscope.types import Token
from attnscope.validation import is_index

_NAMES = {1: "previous token", 0: "same token", -1: "next token"}


@dataclass(frozen=True)
class Place:
    """A token in its text, as a predicate sees it.

    Attributes:
        index: The position of the token.
        tokens: All tokens of the text; in cross-attention, those of the query's or of the key's side.
    """

    index: int
    tokens: Sequence[Token]

    @property
    def token(self) -> Token:
        """The token at this position."""
        return self.tokens[self.index]

    @property
    def text(self) -> str:
        """The token's text without the spaces around it."""
        return self.token.text.strip()


@dataclass(frozen=True, eq=False, repr=False)
class _Offset(Pattern):
    """The key `offset` tokens before the query."""

    offset: int

    @property
    def name(self) -> str:
        return _NAMES.get(self.offset, f"offset {self.offset}")

    def related(self, groups: TokenGroups) -> Related:
        require_one_text(groups, self.name)
        queries = torch.arange(groups.queries)
        keys = queries - self.offset
        inside = (keys >= 0) & (keys < groups.keys)
        return Related.of(groups, queries[inside], keys[inside])

    def as_json(self) -> dict[str, Any]:
        return {"pattern": "offset", "offset": self.offset}


@dataclass(frozen=True, eq=False, repr=False)
class _Predicate(Pattern):
    """The pairs for which a function returns True."""

    function: Callable[[Place, Place], bool]

    @property
    def name(self) -> str:
        return f"predicate {getattr(self.function, '__name__', type(self.function).__name__)}"

    def related(self, groups: TokenGroups) -> Related:
        queries, keys = (
            [Place(at, tokens) for at in range(len(tokens))] for tokens in (groups.query_tokens, groups.key_tokens)
        )
        found: list[tuple[int, int]] = []
        for query in queries:
            if query.token.padding:
                continue
            some = keys[: query.index + 1] if groups.causal and groups.aligned else keys
            found += [(query.index, key.index) for key in some if not key.token.padding and self._holds(query, key)]
        cells = torch.tensor(found, dtype=torch.long).reshape(-1, 2)
        return Related.of(groups, cells[:, 0], cells[:, 1])

    def as_json(self) -> dict[str, Any]:
        return {"pattern": "predicate", "function": self.name.partition(" ")[2], "hash": digest(_source(self.function))}

    def _holds(self, query: Place, key: Place) -> bool:
        answer: object = self.function(query, key)
        if not isinstance(answer, (bool, np.bool_)):
            raise InputError(
                f"A predicate must return True or False for every query and key; {self.name.partition(' ')[2]} returned "
                f"{answer!r:.80} for query {query.index} and key {key.index}."
            )
        return bool(answer)


@dataclass(frozen=True, eq=False, repr=False)
class _Matrix(Pattern):
    """The pairs that are 1 in an array [query, key]."""

    cells: Bool[Tensor, "queries keys"]

    @property
    def name(self) -> str:
        return "matrix"

    def related(self, groups: TokenGroups) -> Related:
        if tuple(self.cells.shape) != (groups.queries, groups.keys):
            raise InputError(
                f"The matrix has the shape {list(self.cells.shape)}, and this text has {groups.queries} queries and "
                f"{groups.keys} keys. Pass a matrix [query, key] of that shape."
            )
        queries, keys = self.cells.nonzero().unbind(1)
        return Related.of(groups, queries, keys)

    def as_json(self) -> dict[str, Any]:
        content = f"{list(self.cells.shape)}".encode() + np.packbits(self.cells.numpy()).tobytes()
        return {"pattern": "matrix", "shape": list(self.cells.shape), "hash": digest(content)}


def offset(k: int) -> Pattern:
    """The key k tokens before the query: 1 is the previous token, 0 the token itself, −1 the next token.

    Raises `InputError` if k is not an integer.
    """
    if not is_index(k):
        raise InputError(f"An offset is an integer, the number of tokens from the key to the query; got {k!r:.80}.")
    return _Offset(operator.index(k))


def predicate(function: Callable[[Place, Place], bool]) -> Pattern:
    """The pairs of query and key for which a function returns True.

    The function takes two `Place`s, the query and the key, each with its `index`, `token`, `text` and all `tokens` of its text:

        patterns.predicate(lambda query, key: key.text == "," and key.index < query.index)

    It is called for every pair of tokens (in a causal stack, for keys up to the query), so use `matrix` for long inputs. Raises
    `InputError` for anything that isn't a function; `match` raises it if the function returns anything but True or False.
    """
    if not callable(function):  # pyright: ignore[reportUnnecessaryComparison]
        raise InputError(
            f"A predicate is a function of a query and a key that returns True or False; got {function!r:.80}."
        )
    return _Predicate(function)


def matrix(array: Any) -> Pattern:
    """The pairs that are 1 in an array [query, key] of 0 and 1, or of booleans: NumPy, torch, or nested lists.

    It applies to texts with as many tokens. Raises `InputError` for other shapes or values.
    """
    try:
        values = array.detach().cpu() if isinstance(array, Tensor) else torch.from_numpy(np.array(array))
        numbers = values.to(torch.float64)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"A matrix is an array [query, key] of 0 and 1; got {array!r:.80}.") from error
    if numbers.ndim != 2:
        raise InputError(f"A matrix has two axes, [query, key]; got the shape {list(numbers.shape)}.")
    others = numbers[(numbers != 0) & (numbers != 1)]
    if len(others):
        raise InputError(f"A matrix holds 0 and 1 only; got {float(others[0]):g}. Compare with a threshold first.")
    return _Matrix(numbers.bool())


def _source(function: Callable[..., object]) -> str:
    """What tells functions apart: their source and the values that they close over."""
    try:
        source = inspect.getsource(function)
    except (OSError, TypeError):
        code = getattr(function, "__code__", None)
        source = repr(function) if code is None else f"{code.co_code!r} {code.co_consts!r} {code.co_names!r}"
    cells: Sequence[Any] = getattr(function, "__closure__", None) or ()
    return "\n".join(
        [source, repr(getattr(function, "__defaults__", None)), *(repr(cell.cell_contents) for cell in cells)]
    )
