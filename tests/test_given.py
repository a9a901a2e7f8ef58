"""Attention weights from anywhere become a trace, or a sentence about what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import attnscope
from attnscope.errors import InputError, RefusedError
from attnscope.session.layer_message import layer_message
from attnscope.session.limits import Limits

TOKENS = ["a", "b", "c", "d"]


def uniform(*shape: int) -> torch.Tensor:
    return torch.full(shape, 1 / shape[-1])


def test_the_outputs_of_a_model_become_the_same_trace(minilm: attnscope.Model) -> None:
    import copy

    model = copy.deepcopy(minilm.hf_model)
    model.config._attn_implementation = "eager"
    encoding = minilm.tokenizer("the cat", "the mat", return_tensors="pt")
    with torch.no_grad():
        attentions = model(**encoding, output_attentions=True).attentions
    tokens = minilm.tokenizer.convert_ids_to_tokens(encoding["input_ids"][0])
    trace = attnscope.Trace.from_attention(attentions, tokens, sentence_b_start=4)
    expected = minilm.trace("the cat", pair="the mat")
    assert [token.text for token in trace.tokens] == tokens
    assert [token.sentence for token in trace.tokens] == [token.sentence for token in expected.tokens]
    torch.testing.assert_close(trace.attention(3, 7), expected.attention(3, 7), atol=1e-5, rtol=1e-4)
    assert list(trace.stacks) == ["encoder"] and not trace.certificate.ok


@pytest.mark.parametrize(
    "attentions",
    [
        [uniform(1, 2, 4, 4)],
        [uniform(2, 4, 4)],
        (uniform(2, 4, 4).half(), None, uniform(3, 4, 4)),
        [uniform(2, 4, 4).numpy()],
        np.stack([uniform(2, 4, 4).numpy()] * 3),
        torch.stack([uniform(1, 2, 4, 4)] * 3),
        [uniform(2, 4, 4).bfloat16()],
    ],
    ids=["batch of one", "no batch", "missing layer", "numpy", "numpy array", "tensor", "bfloat16"],
)
def test_shapes_and_kinds_that_are_taken(attentions) -> None:
    trace = attnscope.Trace.from_attention(attentions, TOKENS)
    torch.testing.assert_close(trace.attention(0, 1), uniform(4, 4), atol=3e-2, rtol=0)


def test_lower_triangular_weights_are_a_decoder() -> None:
    weights = torch.tril(torch.ones(4, 4))
    trace = attnscope.Trace.from_attention([(weights / weights.sum(-1, keepdim=True))[None]], TOKENS)
    assert list(trace.stacks) == ["decoder"]


def test_a_given_trace_saves_and_opens(tmp_path) -> None:
    trace = attnscope.Trace.from_attention([uniform(2, 4, 4), None], TOKENS)
    trace.save(tmp_path / "a.trace")
    opened = attnscope.open(tmp_path / "a.trace")
    assert opened.id == trace.id and torch.equal(opened.attention(0, 1), trace.attention(0, 1))
    assert opened.stacks["encoder"].layer(1) is None
    with pytest.raises(RefusedError, match="only attention weights"):
        opened.q(0, 0)


@pytest.mark.parametrize(
    ("attentions", "tokens", "message"),
    [
        ([], TOKENS, "no attention in `attentions`"),
        ([None, None], TOKENS, "no attention in `attentions`"),
        ([uniform(2, 4, 4)], [], "one for each position"),
        ([uniform(2, 4, 4)], [1, 2, 3, 4], "one for each position"),
        ([uniform(2, 4, 4)], ["a", "b"], "there are 2 tokens"),
        ([uniform(2, 4, 4)[:, :3]], TOKENS, "there are 4 tokens"),
        ([uniform(4, 4)], TOKENS, "has shape \\(4, 4\\)"),
        (uniform(2, 4, 4), TOKENS, "Put it into a list"),
        ([uniform(2, 2, 4, 4)], TOKENS, "batch of 2"),
        ([uniform(2, 4, 4) * float("nan")], TOKENS, "NaN or infinity"),
        ([uniform(2, 4, 4) * 4], TOKENS, "sums to 4"),
        ([uniform(2, 4, 4) * 0.5], TOKENS, "sums to 0.5"),
        ([torch.randn(2, 4, 4)], TOKENS, "distributions"),
        ([torch.ones(2, 4, 4, dtype=torch.int64)], TOKENS, "expected floats"),
        (["weights"], TOKENS, "Layer 0"),
    ],
)
def test_what_is_no_attention_gets_a_sentence(attentions, tokens, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attnscope.Trace.from_attention(attentions, tokens)


def test_rows_with_sinks_and_rows_without_keys_are_taken_when_said() -> None:
    weights = uniform(2, 4, 4) * 0.5
    trace = attnscope.Trace.from_attention([weights], TOKENS, partial_rows=True)
    assert torch.equal(trace.attention(0, 0), weights[0])
    weights = uniform(2, 4, 4)
    weights[:, 0] = 0
    assert float(attnscope.Trace.from_attention([weights], TOKENS).attention(0, 0)[0].sum()) == 0


def test_sentence_b_must_start_inside(minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="between 1 and 3; got 4"):
        attnscope.Trace.from_attention([uniform(2, 4, 4)], TOKENS, sentence_b_start=4)


def test_weights_beyond_0_and_1_by_rounding_are_0_and_1() -> None:
    weights = torch.eye(4)[None].repeat(2, 1, 1)
    weights[0, 0, 0], weights[0, 0, 1] = 1 + 2**-7, -(2**-7)  # the bfloat16 after 1
    trace = attnscope.Trace.from_attention([weights.to(torch.bfloat16)], TOKENS)
    assert torch.equal(trace.attention(0, 0), torch.eye(4))
    fields, arrays = layer_message(trace.layer_record(0), Limits())
    assert arrays["attention"][0, 0].tolist() == [255, 0, 0, 0] and fields["error"] == 0
