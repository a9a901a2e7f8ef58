"""A `layer` response has everything a page needs: its tensors alone give the weights, recomputed here with numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from attnscope.attention import Bias, Mask, QKRecord, WeightsRecord
from attnscope.errors import TooLongError
from attnscope.session import Limits
from attnscope.session.messages.layer import layer_message, tile_arrays

pytestmark = pytest.mark.core

LIMITS = Limits()


def record(heads=4, kv_heads=2, queries=7, keys=7, dim=8, scale=1.0, **parts) -> QKRecord:
    numbers = torch.Generator().manual_seed(0)
    q = torch.randn(heads, queries, dim, generator=numbers) * scale
    k = torch.randn(kv_heads, keys, dim, generator=numbers) * scale + 3.0
    v = torch.randn(kv_heads, keys, dim, generator=numbers)
    parts = {"mask": Mask.causal(queries, keys, keys - queries), "scaling": dim**-0.5, **parts}
    return QKRecord(q=q, k=k, v=v, **parts)


def by_the_page(fields: dict, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """The weights of all heads, computed as docs/reference/wire.md describes, with plain loops in float64."""
    heads, queries, keys = fields["heads"], fields["queries"], fields["keys"]
    weights = np.zeros((heads, queries, keys))
    for h in range(heads):
        g = h * fields["kv_heads"] // heads
        for i in range(queries):
            exps = np.zeros(keys)
            scores = np.full(keys, -np.inf)
            for j in range(keys):
                k = arrays["k"][g, j].astype(np.float64)
                if "k_mean" in arrays:
                    k = k + arrays["k_mean"][g]
                score = float(arrays["q"][h, i].astype(np.float64) @ k) * fields["scaling"]
                if fields["softcap"] is not None:
                    score = fields["softcap"] * np.tanh(score / fields["softcap"])
                if fields["bias"] is not None:
                    b = arrays["bias"]
                    kind = fields["bias"]["kind"]
                    if kind == "dense":
                        score += b[h % b.shape[0], i, j]
                    else:
                        score += b[h, j - i + queries - 1 if kind == "relative" else j]
                if "mask_bits" in arrays:
                    bits = arrays["mask_bits"]
                    open_ = bits[h % bits.shape[0], i, j >> 3] >> (j & 7) & 1
                else:
                    open_ = arrays["mask_lo"][i] <= j < arrays["mask_hi"][i]
                    open_ = open_ and ("mask_valid" not in arrays or arrays["mask_valid"][j])
                if open_:
                    scores[j] = score
            if np.isfinite(scores).any():
                top = max(scores.max(), arrays["sink"][h]) if fields["sinks"] else scores.max()
                exps = np.exp(scores - top)
                weights[h, i] = exps / (exps.sum() + (np.exp(arrays["sink"][h] - top) if fields["sinks"] else 0))
    return weights


def exact(layer) -> np.ndarray:
    return layer.attention(torch.arange(layer.shape.heads), torch.arange(layer.queries)).numpy()


BITS = torch.rand(4, 7, 7, generator=torch.Generator().manual_seed(1)) > 0.4
PADDED = Mask.fit((torch.ones(7, 7).tril() * torch.tensor([0, 0, 1, 1, 1, 1, 1])).bool()[None])

CASES = {
    "causal": record(),
    "full": record(mask=Mask.full(7, 7)),
    "window": record(mask=Mask.fit((torch.ones(7, 7).tril() * torch.ones(7, 7).triu(-2)).bool()[None])),
    "padding": record(mask=PADDED),
    "bits": record(mask=Mask.fit(BITS)),
    "more keys than queries": record(queries=3),
    "soft cap": record(softcap=5.0),
    "sinks": record(sinks=torch.tensor([0.0, 1.0, -2.0, 5.0])),
    "relative bias": record(bias=Bias("relative", torch.linspace(-2, 2, 52).reshape(4, 13), 7, 7)),
    "relative bias for all heads": record(bias=Bias("relative", torch.linspace(-2, 2, 13)[None], 7, 7)),
    "key bias": record(bias=Bias("key", torch.linspace(-2, 2, 28).reshape(4, 7), 7, 7)),
    "dense bias": record(bias=Bias("dense", torch.linspace(-2, 2, 196).reshape(4, 7, 7), 7, 7)),
    "dense bias for all heads": record(bias=Bias("dense", torch.linspace(-2, 2, 49)[None].reshape(1, 7, 7), 7, 7)),
    "one query": record(queries=1, keys=1),
    "large scores": record(scale=6.0),
    "overflowing float16": record(scale=40_000.0, scaling=1e-12),
}


@pytest.mark.parametrize("name", CASES)
def test_weights_computed_from_a_response_are_exact_within_its_stated_error(name):
    layer = CASES[name]
    fields, arrays = layer_message(layer, LIMITS)
    found = np.abs(by_the_page(fields, arrays) - exact(layer)).max()
    assert found <= fields["error"] + 1e-5
    assert fields["error"] <= 1e-3


def test_q_and_k_are_sent_as_float16_if_the_error_is_small_and_as_float32_otherwise():
    assert layer_message(CASES["causal"], LIMITS)[1]["q"].dtype == np.float16
    for name in ("large scores", "overflowing float16"):
        fields, arrays = layer_message(CASES[name], LIMITS)
        assert arrays["q"].dtype == arrays["k"].dtype == np.float32
        assert "k_mean" not in arrays
        assert fields["error"] == 0.0


def test_centering_k_makes_float16_exact_enough():
    far = record()
    far = QKRecord(q=far.q, k=far.k + 500.0, v=far.v, scaling=far.scaling, mask=far.mask)
    fields, arrays = layer_message(far, LIMITS)
    assert arrays["k"].dtype == np.float16
    assert np.abs(arrays["k"].astype(np.float64).mean(1)).max() < 1e-3
    assert fields["error"] <= 1e-3


def test_a_sliding_window_has_its_width():
    assert layer_message(CASES["window"], LIMITS)[0]["mask"] == {"kind": "window", "window": 3, "symmetric": False}


def test_weights_without_q_and_k_are_sent_as_square_roots():
    weights = torch.softmax(torch.randn(2, 5, 5, generator=torch.Generator().manual_seed(0)) * 4, -1)
    fields, arrays = layer_message(WeightsRecord(weights), LIMITS)
    assert (fields["form"], fields["mask"], list(arrays)) == ("weights", {"kind": "unknown"}, ["attention"])
    shown = (arrays["attention"] / 255.0) ** 2
    assert np.abs(shown - weights.numpy()).max() == pytest.approx(fields["error"], abs=1e-6)
    assert 0 < fields["error"] < 0.004


def test_a_layer_or_tile_over_the_limit_is_rejected_before_it_is_allocated():
    small = Limits(answer_bytes=1000)
    with pytest.raises(TooLongError, match="at most 1,000"):
        layer_message(record(queries=100, keys=100), small)
    with pytest.raises(TooLongError, match="at most 1,000"):
        layer_message(WeightsRecord(torch.zeros(2, 50, 50)), small)
    with pytest.raises(TooLongError, match="at most 1,000"):
        tile_arrays(record(queries=100, keys=100), [0, 1], [0, 1], small)


def test_a_tile_is_exact():
    layer = CASES["sinks"]
    arrays = tile_arrays(layer, [3, 0], [6, 2], LIMITS)
    assert np.array_equal(arrays["attention"], exact(layer)[[3, 0]][:, [6, 2]])
    assert np.isneginf(arrays["scores"][0, 1, 3:]).all()
    assert list(tile_arrays(WeightsRecord(torch.eye(3)[None]), [0], [1], LIMITS)) == ["attention"]
