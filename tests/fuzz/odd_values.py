"""Values that nobody means to pass: wrong types, sizes and characters."""

from __future__ import annotations

import decimal
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st

TEXTS = (
    "",
    " ",
    "\n",
    "\x00",
    "\ud800",
    "a\udfffb",
    "no such word",
    "a " * 50,
    "\u202e",
    "🙂",
    "q" * 5000,
    "~nobody/x",
    "q" * 300 + ".trace",
)
NUMBERS = (
    -1,
    0,
    1,
    10**6,
    2**31,
    2**63,
    10**30,
    -(10**30),
    math.nan,
    math.inf,
    -math.inf,
    0.5,
    -0.0,
    1e308,
    True,
    False,
)


class _Odd:
    """An object of a type that nobody knows."""

    def __repr__(self) -> str:
        return "<odd>"


OBJECTS: tuple[Any, ...] = (
    None, ..., object, int, _Odd(), len, b"", b"\xff\xfe", 1j, decimal.Decimal("1.5"), range(3), range(0), slice(0, 2),
    slice(None, None, 0), {1, 2}, {}, {"a": 1}, {1: 2}, (), [], [None], [[]], [[1], [2, 3]], ("a", 1), ("a", 2), ("a", "b"),
    Path("absent"), Path(), np.array(1), np.array([1.5, 2.5]), np.array(["a", "b"]), np.array([True, False]), np.zeros((0, 3)),
    np.array([1, None], dtype=object), np.int64(1), np.float32(0.5), torch.tensor(1), torch.tensor([0, 1]), torch.zeros(2, 2, 2),
    torch.tensor([math.nan]), torch.tensor([True]), torch.zeros(0), torch.tensor([1j]), np.random.default_rng(0),
)  # fmt: skip

single = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from(NUMBERS),
    st.sampled_from(OBJECTS),
    st.integers(-5, 20),
    st.text(st.characters(codec=None), max_size=8),
    st.builds(iter, st.just([0, 1])),
)
several = st.one_of(
    st.lists(single, max_size=3),
    st.tuples(single, single),
    st.dictionaries(st.sampled_from(("a", "role", "content", "input_ids", "type", 1)), single, max_size=2),
)
anything = st.one_of(single, single, several)
"""One odd value, or a list, tuple or mapping of some."""
