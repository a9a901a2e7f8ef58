"""Thumbnails hold the maximum of every cell, compared with brute force."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope.analysis.overview import overview

pytestmark = pytest.mark.core


def brute_force(weights: torch.Tensor, size: int) -> torch.Tensor:
    step = -(-len(weights) // size)
    cells = [
        [weights[i : i + step, j : j + step].max() for j in range(0, len(weights), step)]
        for i in range(0, len(weights), step)
    ]
    return (torch.tensor(cells).sqrt() * 255).round().to(torch.uint8)


@pytest.mark.parametrize(("length", "size"), [(1, 64), (12, 64), (64, 64), (65, 64), (300, 64), (40, 7)])
@pytest.mark.parametrize("family", ["llama", "bert", "bloom"])
def test_a_thumbnail_is_the_largest_weight_of_every_cell(family: str, length: int, size: int) -> None:
    trace = attnscope.Model(tiny_models.build(family)).trace(tiny_models.ids(length))
    layers = list(overview(trace, size=size))
    assert [one.layer for one in layers] == [0, 1, 2]
    for one in layers:
        for head in range(4):
            expected = brute_force(trace.attention(one.layer, head), size)
            assert one.thumbnails[head].shape == expected.shape
            assert int((one.thumbnails[head].int() - expected.int()).abs().max()) <= 1


def test_a_single_large_weight_survives_pooling() -> None:
    weights = torch.full((1, 1000, 1000), 0.0)
    weights[0, torch.arange(1000), 0] = 1.0
    weights[0, 777] = 0.0
    weights[0, 777, 333] = 1.0
    trace = attnscope.Trace.from_attention([weights[None]], [str(i) for i in range(1000)])
    (one,) = overview(trace)
    assert int(one.thumbnails[0, 777 // 16, 333 // 16]) == 255
