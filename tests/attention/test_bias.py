"""Biases are stored in the smallest form, from which every row can be reproduced."""

from __future__ import annotations

import pytest
import torch

from attnscope.attention import Bias

pytestmark = pytest.mark.core

GENERATOR = torch.Generator().manual_seed(3)


@pytest.mark.parametrize(("kind", "shape"), [("relative", (4, 9)), ("key", (4, 5)), ("dense", (4, 5, 5))])
def test_a_bias_is_stored_in_its_smallest_form_and_reproduces_every_row(kind: str, shape: tuple[int, ...]) -> None:
    values = torch.randn(*shape, generator=GENERATOR)
    if kind == "relative":
        full = torch.stack([torch.stack([values[:, j - i + 4] for j in range(5)], 1) for i in range(5)], 1)
    elif kind == "key":
        full = values[:, None].expand(4, 5, 5)
    else:
        full = values
    bias = Bias.fit(full)
    assert bias is not None and bias.kind == kind
    rows = torch.tensor([4, 1])
    assert torch.equal(bias.rows(rows), full[:, rows])


def test_a_bias_of_zeros_is_no_bias() -> None:
    assert Bias.fit(torch.zeros(2, 3, 3)) is None
