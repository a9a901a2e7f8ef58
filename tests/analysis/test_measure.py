"""Every measure of every head, compared with loops over transformers' own eager attention and with numbers by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from helpers import tiny_models
from helpers.reference_measures import measures

import attnscope
from attnscope.analysis import MEASURES
from attnscope.analysis.overview import overview
from attnscope.attention import Mask, QKRecord
from attnscope.errors import CancelledError
from attnscope.trace import Trace
from attnscope.trace.stack import TracedStack
from attnscope.types import Token

pytestmark = pytest.mark.core

NAMES = [measure.name for measure in MEASURES]


def found(trace: Trace, stack: str | None = None, **options: object) -> list[list[dict[str, float]]]:
    """The defined measures, [over all keys, off sink], each a list over layers × heads."""
    lists: list[list[dict[str, float]]] = [[], []]
    for one in overview(trace, stack, **options):
        for place, table in enumerate((one.measures, one.measures_off_sink)):
            for column in table.T.tolist():
                known = zip(NAMES, column, strict=True)
                lists[place].append({name: value for name, value in known if not math.isnan(value)})
    return lists


def expected(trace: Trace, weights: list[torch.Tensor], stack: str | None = None) -> list[list[dict[str, float]]]:
    """The same from loops. `weights` has one array per layer, [heads, queries, keys]."""
    traced = trace.traced_stack(stack)
    queries, keys = trace.tokens_for(stack)
    lists: list[list[dict[str, float]]] = [[], []]
    for layer, of_layer in enumerate(weights):
        record = traced.records[layer]
        for head, one in enumerate(of_layer):
            if isinstance(record, QKRecord):
                allowed = trace.scores(layer, head, stack).isfinite().numpy()
            else:
                allowed = np.tril(np.ones(one.shape, bool)) if traced.causal else np.ones(one.shape, bool)
                allowed[one.numpy().sum(1) == 0] = False
            for place in (0, 1):
                lists[place].append(
                    measures(
                        one.double().numpy(),
                        allowed,
                        ids=[token.id for token in keys],
                        special=[token.special for token in keys],
                        sentences=[token.sentence for token in (queries if len(queries) != len(keys) else keys)],
                        causal=traced.causal,
                        aligned=traced.query_side == traced.key_side,
                        off_sink=place == 1,
                        learned_sink=isinstance(record, QKRecord) and record.sinks is not None,
                    )
                )
    return lists


def same(ours: list[list[dict[str, float]]], theirs: list[list[dict[str, float]]], tolerance: float = 2e-4) -> None:
    for variant, wanted in zip(ours, theirs, strict=True):
        for head, right in zip(variant, wanted, strict=True):
            assert head.keys() == right.keys()
            assert all(abs(head[name] - right[name]) <= tolerance * max(1, abs(right[name])) for name in right)


def eager(model: attnscope.Model, trace: Trace) -> list[torch.Tensor]:
    """The attention weights that transformers reports for the same input."""
    hf = model.hf_model
    before = hf.config._attn_implementation
    hf.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            return [layer[0].float() for layer in hf(**trace.inputs, output_attentions=True).attentions]
    finally:
        hf.set_attn_implementation(before)


def test_measures_of_a_decoder_equal_loops_over_its_eager_attention(smollm2) -> None:
    trace = smollm2.trace("the cat sat on the mat and the cat sat on the rug, the the end")
    same(found(trace), expected(trace, eager(smollm2, trace)))


def test_measures_of_a_pair_in_an_encoder_equal_loops_over_its_eager_attention(minilm) -> None:
    trace = minilm.trace("the cat sat on the mat", pair="the cat lay on the rug")
    ours = found(trace)
    same(ours, expected(trace, eager(minilm, trace)))
    assert {"a_to_b", "b_to_a", "next", "special_tokens", "sinks"} <= ours[0][0].keys()
    assert "special_tokens" not in ours[1][0] and "learned_sink" not in ours[0][0]


@pytest.mark.parametrize("family", ["mistral", "gemma2", "gpt_oss", "modernbert", "bloom", "deberta_v2"])
def test_measures_with_windows_soft_caps_learned_sinks_and_reported_weights(family: str) -> None:
    trace = attnscope.Model(tiny_models.build(family)).trace(
        tiny_models.ids(9) + tiny_models.ids(9) + tiny_models.ids(3)
    )
    layers = [torch.stack([trace.attention(layer, head) for head in range(4)]) for layer in range(3)]
    ours = found(trace)
    same(ours, expected(trace, layers))
    assert ("learned_sink" in ours[0][0]) == (family == "gpt_oss")


def random_qk_trace(mask: torch.Tensor, *, causal: bool, words: str, heads: int = 3, **more: object) -> Trace:
    """A trace of random q and k under `mask`. Its tokens are the letters of `words`; capitals are special tokens."""
    random = torch.Generator().manual_seed(5)
    queries, keys = mask.shape[-2:]
    q, k, v = (torch.randn(heads, count, 6, generator=random) for count in (queries, keys, keys))
    record = QKRecord(q=4 * q, k=k, v=v, scaling=0.5, mask=Mask.fit(mask if mask.ndim == 3 else mask[None]), **more)
    sides = {"text": [Token(letter, ord(letter), special=letter.isupper()) for letter in words]}
    side = "text"
    if queries != keys:
        side, sides["target"] = "target", [Token(str(i), i) for i in range(queries)]
    stack = TracedStack([record], causal=causal, query_side=side)
    return Trace(sides=sides, stacks={"it": stack}, certificate=None, provenance={})


def test_measures_of_long_inputs_do_not_depend_on_tiles() -> None:
    words = "".join("abcdefghijklmnop"[(i * i) % 13] for i in range(300))
    for mask, causal in [
        (torch.ones(300, 300).tril().bool(), True),
        (torch.ones(300, 300).bool(), False),
        (torch.ones(300, 300).tril(20).triu(-20).bool(), False),
        (torch.ones(300, 300).tril().triu(-40).bool(), True),
        (torch.rand(3, 300, 300, generator=torch.Generator().manual_seed(1)) < 0.5, False),
    ]:
        trace = random_qk_trace(mask, causal=causal, words=words)
        weights = [torch.stack([trace.attention(0, head) for head in range(3)])]
        same(found(trace), expected(trace, weights))


def test_queries_without_keys_are_skipped() -> None:
    mask = torch.ones(9, 9).tril().bool()
    mask[:, :3] = False
    trace = random_qk_trace(mask, causal=True, words="PPPSababa")
    ours = found(trace)
    same(ours, expected(trace, [torch.stack([trace.attention(0, head) for head in range(3)])]))
    assert ours[0][0]["previous"] > 0


def test_cross_attention_has_no_measures_of_position() -> None:
    trace = random_qk_trace(torch.ones(4, 7).bool(), causal=False, words="aXbcdeX")
    ours = found(trace)
    same(ours, expected(trace, [torch.stack([trace.attention(0, head) for head in range(3)])]))
    assert ours[0][0].keys() == {
        "entropy", "normalized_entropy", "confidence", "first_token", "special_tokens", "sinks"
    }  # fmt: skip


def test_measures_of_a_small_case_worked_by_hand() -> None:
    weights = torch.tensor([[1.0, 0.0, 0.0], [0.75, 0.25, 0.0], [0.5, 0.3, 0.2]])
    trace = Trace.from_attention([weights[None, None]], ["a", "b", "a"])
    (raw,), (off,) = found(trace)
    assert raw == pytest.approx(
        {
            "entropy": (0 + 0.5623351446 + 1.0296530140) / 3,
            "normalized_entropy": (0.5623351446 / math.log(2) + 1.0296530140 / math.log(3)) / 2,
            "confidence": (1 + 0.75 + 0.5) / 3,
            "distance": (0 + 0.75 + 0.5 * 2 + 0.3) / 3,
            "previous": (0.75 + 0.3) / 2,
            "self": (1 + 0.25 + 0.2) / 3,
            "first_token": (1 + 0.75 + 0.5) / 3,
            "sinks": (1 + 0.75 + 0.5) / 3,
            "induction": 0.3,
            "duplicate_token": 0.5,
        },
        abs=1e-6,
    )
    # off sink (without the first token): row 0 has no weight left, row 1 is [1], row 2 is [0.6, 0.4]
    spread = -(0.6 * math.log(0.6) + 0.4 * math.log(0.4))
    assert off == pytest.approx(
        {
            "entropy": spread / 2,
            "normalized_entropy": spread / math.log(2),
            "confidence": (1 + 0.6) / 2,
            "distance": (0 + 0.6) / 2,
            "previous": 0.6,
            "self": (1 + 0.4) / 2,
            "induction": 0.6,
        },
        abs=1e-6,
    )


def test_measures_of_one_word_repeated_many_times() -> None:
    trace = random_qk_trace(torch.ones(200, 200).tril().bool(), causal=True, words="a" * 200)
    same(found(trace), expected(trace, [torch.stack([trace.attention(0, head) for head in range(3)])]))


def test_a_single_token_has_the_measures_that_are_defined() -> None:
    (raw, *_), (off, *_) = found(random_qk_trace(torch.ones(1, 1).bool(), causal=True, words="a"))
    assert raw == {"entropy": 0, "confidence": 1, "distance": 0, "self": 1, "first_token": 1, "sinks": 1}
    assert off == {}


def test_off_sink_entropy_is_accurate_when_nearly_all_weight_is_on_the_sink() -> None:
    logits = torch.tensor([[60.0, 1.0, 0.0, 2.0]]).double()
    weights = torch.zeros(1, 4, 4)
    weights[0, 3] = torch.softmax(logits[0], 0).float()
    weights[0, :3] = torch.eye(3, 4)
    ((raw,), (off,)) = found(Trace.from_attention([weights[None]], list("abcd")))
    rest = torch.softmax(logits[0, 1:], 0)
    assert off["entropy"] == pytest.approx(float(-(rest * rest.log()).sum()) / 3, rel=1e-5)
    assert raw["entropy"] == pytest.approx(0, abs=1e-6)


def test_overview_can_skip_measures() -> None:
    (one,) = overview(random_qk_trace(torch.ones(3, 3).bool(), causal=False, words="abc"), measured=False)
    assert one.measures.shape == (0, 3)


def test_overview_can_be_cancelled_between_tiles() -> None:
    calls: list[int] = []

    def second() -> bool:
        calls.append(1)
        return len(calls) > 1

    with pytest.raises(CancelledError):
        list(overview(random_qk_trace(torch.ones(300, 300).bool(), causal=False, words="a" * 300), cancelled=second))


def test_every_measure_has_a_title_and_a_sentence() -> None:
    assert len(set(NAMES)) == len(NAMES) == 17
    for measure in MEASURES:
        assert measure.title and measure.sentence.endswith(".") and len(measure.sentence) < 260
        assert measure.range[0] == 0
