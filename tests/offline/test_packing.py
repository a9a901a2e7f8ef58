"""Layers packed for a file: the lower triangle only, with a measured error."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attnscope.offline.packing import pack_vectors, pack_weights


def whole(planes: np.ndarray) -> np.ndarray:
    return np.stack([plane.astype(np.int64) << (8 * at) for at, plane in enumerate(planes)]).sum(0)


@pytest.mark.parametrize(("error", "planes"), [(3e-2, 1), (1e-4, 2)])
def test_packed_weights_drop_the_upper_triangle_and_have_a_measured_error(smollm2, error, planes):
    record = smollm2.trace("The quick, brown fox jumps").layer_record(5)
    packed = pack_weights(record, error)
    tokens = record.queries
    assert packed.triangle
    assert packed.arrays["attention_planes"].shape == (planes, 9 * tokens * (tokens + 1) // 2)
    full = 255 if planes == 1 else 65535
    under = torch.ones(tokens, tokens, dtype=torch.bool).tril()
    exact = record.attention(torch.arange(9), torch.arange(tokens))[:, under].reshape(-1)
    back = torch.from_numpy((whole(packed.arrays["attention_planes"]) / full) ** 2).float()
    assert (back - exact).abs().max().item() == pytest.approx(packed.error, rel=1e-2)
    assert packed.error <= error


def test_one_token_and_a_constant_dimension_can_be_packed(smollm2):
    record = smollm2.trace("Hi").layer_record(0)
    assert pack_vectors(record, 1e-3).error <= 1e-3
