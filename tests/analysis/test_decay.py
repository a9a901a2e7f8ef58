"""Distance decay against sums by hand, and on a head constructed to decay."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import tiny_models

from attnscope import Model, analysis
from attnscope.errors import InputError, UnsupportedError

pytestmark = pytest.mark.core

IDS = tiny_models.ids(24)


@pytest.mark.parametrize("family", ["gpt2", "llama", "bert"])
def test_parts_are_means_of_products_and_sum_to_the_mean_score(family: str) -> None:
    trace = Model(tiny_models.build(family)).trace(IDS)
    found = analysis.decay(trace, 1, 2, furthest=9)
    q, k, causal = trace.q(1, 2), trace.k(1, 2), family != "bert"
    scores = trace.scores(1, 2)
    first = 1 if causal else 0  # the first key of a causal stack is a sink
    for distance in (1, 4, 9):
        pairs = [(i, i - distance) for i in range(distance + first, 24)]
        if not causal:
            pairs += [(i, i + distance) for i in range(24 - distance)]
        mean = sum(float(scores[i, j]) for i, j in pairs) / len(pairs)
        assert float(found.scores[distance - 1]) == pytest.approx(mean, abs=1e-5)
        dims = list(found.units[3])
        part = sum(float(q[i, dims] @ k[j, dims]) for i, j in pairs) / len(pairs) / math.sqrt(8)
        assert float(found.parts[3, distance - 1]) == pytest.approx(part, abs=1e-5)
    assert found.units[3] == ((3, 7) if family == "llama" else (3,))
    torch.testing.assert_close(found.parts.sum(0), found.scores)
    assert float(found.slopes.sum()) == pytest.approx(found.slope, abs=1e-6)
    assert float(found.shares.sum()) == pytest.approx(1.0, abs=1e-4)
    table = analysis.decays(trace, furthest=9)
    row = table[(table["layer"] == 1) & (table["head"] == 2)].iloc[0]
    assert (row["slope"], row["spearman"]) == pytest.approx((found.slope, found.spearman), abs=1e-6)
    assert table["slope"].is_monotonic_increasing


def test_a_head_with_one_rotary_pair_decays_like_its_cosine() -> None:
    hf_model = tiny_models.build("llama")
    attention = hf_model.model.layers[0].self_attn
    for projection in (attention.q_proj, attention.k_proj):
        torch.nn.init.zeros_(projection.weight)
        projection.bias = torch.nn.Parameter(torch.zeros(projection.out_features))
        projection.bias.data[2] = 4.0  # only one slow rotary pair of head 0
    trace = Model(hf_model).trace(IDS)
    found = analysis.decay(trace, 0, 0)
    wavelength = trace.rotary(0).wavelengths[2]
    expected = [16 / math.sqrt(8) * math.cos(2 * math.pi * d / wavelength) for d in found.distances]
    assert found.scores.tolist() == pytest.approx(expected, abs=1e-4)
    assert found.spearman == pytest.approx(-1.0)
    assert float(found.shares[2]) == pytest.approx(1.0, abs=1e-5)


def test_errors_where_distance_decay_is_undefined() -> None:
    trace = Model(tiny_models.build("llama")).trace(IDS)
    with pytest.raises(InputError, match="longer text"):
        analysis.decay(Model(tiny_models.build("llama")).trace(IDS[:5]), 0, 0)
    with pytest.raises(InputError, match="Head 9 does not exist"):
        analysis.decay(trace, 0, 9)
    with pytest.raises(UnsupportedError, match="same tokens"):
        analysis.decay(Model(tiny_models.build("bloom")).trace(IDS), 0, 0)
    with pytest.raises(InputError, match="decoder"):
        analysis.decays(trace, "unknown")
