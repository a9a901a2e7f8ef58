"""Attention weights from any source become a trace or raise a clear error."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.random_traces import uniform_weights

import attnscope
from attnscope.errors import InputError, UnsupportedError
from attnscope.session.limits import Limits
from attnscope.session.messages.layer import layer_message

pytestmark = pytest.mark.core

TOKENS = ["a", "b", "c", "d"]


def test_a_trace_from_model_outputs_equals_the_models_own_trace(minilm: attnscope.Model) -> None:
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
        [uniform_weights(1, 2, 4, 4)],
        [uniform_weights(2, 4, 4)],
        (uniform_weights(2, 4, 4).half(), None, uniform_weights(3, 4, 4)),
        [uniform_weights(2, 4, 4).numpy()],
        np.stack([uniform_weights(2, 4, 4).numpy()] * 3),
        torch.stack([uniform_weights(1, 2, 4, 4)] * 3),
        [uniform_weights(2, 4, 4).bfloat16()],
    ],
    ids=["batch of one", "no batch", "missing layer", "numpy", "numpy array", "tensor", "bfloat16"],
)
def test_shapes_and_array_types_that_are_accepted(attentions) -> None:
    trace = attnscope.Trace.from_attention(attentions, TOKENS)
    torch.testing.assert_close(trace.attention(0, 1), uniform_weights(4, 4), atol=3e-2, rtol=0)


def test_lower_triangular_weights_are_a_decoder() -> None:
    weights = torch.tril(torch.ones(4, 4))
    trace = attnscope.Trace.from_attention([(weights / weights.sum(-1, keepdim=True))[None, None]], TOKENS)
    assert list(trace.stacks) == ["decoder"]


def test_a_trace_from_attention_can_be_saved_and_opened(tmp_path) -> None:
    trace = attnscope.Trace.from_attention([uniform_weights(2, 4, 4), None], TOKENS)
    trace.save(tmp_path / "a.trace")
    opened = attnscope.open(tmp_path / "a.trace")
    assert opened.id == trace.id and torch.equal(opened.attention(0, 1), trace.attention(0, 1))
    assert opened.stacks["encoder"].layer(1) is None
    with pytest.raises(UnsupportedError, match="only attention weights"):
        opened.q(0, 0)


@pytest.mark.parametrize(
    ("attentions", "tokens", "message"),
    [
        ([], TOKENS, "`attentions` contains no attention weights"),
        ((), TOKENS, "pass `outputs.attentions`"),
        ({}, TOKENS, "`attentions` contains no attention weights"),
        ({"0": uniform_weights(2, 4, 4)}, TOKENS, "layer indices from 0; got '0'"),
        (uniform_weights(1, 4, 8), TOKENS, "pass `outputs.attentions`"),
        ("weights", TOKENS, "got str"),
        (None, TOKENS, "Pass either `attentions` with `tokens`"),
        ([uniform_weights(2, 4, 4)], "abcd", "list with the text of the token at each position"),
        ([None, None], TOKENS, "`attentions` contains no attention weights"),
        ([uniform_weights(2, 4, 4)], [], "must be a non-empty list"),
        ([uniform_weights(2, 4, 4)], [1, 2, 3, 4], "must be a non-empty list"),
        ([uniform_weights(2, 4, 4)], ["a", "b"], "there are 2 tokens"),
        ([uniform_weights(2, 4, 4)[:, :3]], TOKENS, "there are 4 tokens"),
        ([uniform_weights(4, 4)], TOKENS, r"has shape \(4, 4\)"),
        (uniform_weights(2, 4, 4), TOKENS, "put it in a list"),
        ([torch.nn.MultiheadAttention(8, 2)(*[torch.randn(4, 1, 8)] * 3)[1]], TOKENS, "average_attn_weights=False"),
        (torch.nn.MultiheadAttention(8, 2)(*[torch.randn(4, 1, 8)] * 3)[1], TOKENS, "average_attn_weights=False"),
        ([torch.nn.MultiheadAttention(8, 2)(*[torch.randn(4, 8)] * 3)[1]], TOKENS, "average_attn_weights=False"),
        ([uniform_weights(2, 2, 4, 4)], TOKENS, "batch of 2"),
        ([uniform_weights(2, 4, 4) * float("nan")], TOKENS, "NaN or infinity"),
        ([uniform_weights(2, 4, 4) * 4], TOKENS, "sums to 4"),
        ([uniform_weights(2, 4, 4) * 0.5], TOKENS, "sums to 0.5"),
        ([torch.randn(2, 4, 4)], TOKENS, "distributions"),
        ([torch.ones(2, 4, 4, dtype=torch.int64)], TOKENS, "expected floating-point numbers"),
        (["weights"], TOKENS, "Layer 0"),
    ],
)
def test_invalid_attention_raises_a_clear_error(attentions, tokens, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attnscope.Trace.from_attention(attentions, tokens)


def test_a_first_axis_that_was_read_as_heads_is_mentioned() -> None:
    averaged = torch.nn.MultiheadAttention(8, 2, batch_first=True)(*[torch.randn(3, 4, 8)] * 3)[1]
    trace = attnscope.Trace.from_attention([averaged.detach()], TOKENS)
    assert any("average_attn_weights=False" in warning for warning in trace.warnings)
    trace = attnscope.Trace.from_attention([uniform_weights(1, 3, 4, 4)], TOKENS)
    assert not any("average_attn_weights" in warning for warning in trace.warnings)


def test_partial_rows_and_empty_rows_are_accepted() -> None:
    weights = uniform_weights(2, 4, 4) * 0.5
    trace = attnscope.Trace.from_attention([weights], TOKENS, partial_rows=True)
    assert torch.equal(trace.attention(0, 0), weights[0])
    weights = uniform_weights(2, 4, 4)
    weights[:, 0] = 0
    assert float(attnscope.Trace.from_attention([weights], TOKENS).attention(0, 0)[0].sum()) == 0


def test_sentence_b_must_start_inside_the_tokens(minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="between 1 and 3; got 4"):
        attnscope.Trace.from_attention([uniform_weights(2, 4, 4)], TOKENS, sentence_b_start=4)
    with pytest.raises(InputError, match="between 1 and 3; got 'b'"):
        attnscope.Trace.from_attention([uniform_weights(2, 4, 4)], TOKENS, sentence_b_start="b")  # pyright: ignore[reportArgumentType]


def test_weights_slightly_outside_0_and_1_are_clamped() -> None:
    weights = torch.eye(4)[None].repeat(2, 1, 1)
    weights[0, 0, 0], weights[0, 0, 1] = 1 + 2**-7, -(2**-7)  # the bfloat16 after 1
    trace = attnscope.Trace.from_attention([weights.to(torch.bfloat16)], TOKENS)
    assert torch.equal(trace.attention(0, 0), torch.eye(4))
    fields, arrays = layer_message(trace.layer_record(0), Limits())
    assert arrays["attention"][0, 0].tolist() == [255, 0, 0, 0] and fields["error"] == 0


class Foreign:
    """An array type that NumPy can convert."""

    def __array__(self, dtype=None, copy=None):
        return uniform_weights(2, 4, 4).numpy()


@pytest.mark.parametrize(
    "attentions",
    [
        [Foreign()],
        {0: uniform_weights(2, 4, 4)},
        [uniform_weights(2, 4, 4).tolist()],
        [uniform_weights(2, 4, 4).double().requires_grad_()],
    ],
    ids=["foreign", "mapping", "lists", "with gradient"],
)
def test_arrays_of_other_libraries_are_accepted(attentions) -> None:
    trace = attnscope.Trace.from_attention(attentions, TOKENS)
    assert torch.equal(trace.attention(0, 1), uniform_weights(4, 4))


def test_a_mapping_assigns_layers_by_index() -> None:
    trace = attnscope.Trace.from_attention({2: uniform_weights(2, 4, 4), 5: uniform_weights(3, 4, 4)}, TOKENS)
    stack = trace.stacks["encoder"]
    assert stack.layers == 6 and [stack.layer(i) is not None for i in range(6)] == [
        False,
        False,
        True,
        False,
        False,
        True,
    ]
    assert (stack.layer(2).heads, stack.layer(5).heads) == (2, 3)


def test_key_tokens_may_differ_from_query_tokens() -> None:
    weights = torch.softmax(torch.randn(2, 3, 4), -1)
    trace = attnscope.Trace.from_attention([weights], ["x", "y", "z"], key_tokens=TOKENS)
    queries, keys = trace.tokens_for("cross")
    assert ([one.text for one in queries], [one.text for one in keys]) == (["x", "y", "z"], TOKENS)
    assert torch.equal(trace.attention(0, 1), weights[1]) and [one.text for one in trace.tokens] == ["x", "y", "z"]
    with pytest.raises(InputError, match=r"there are 3 queries and 4 keys\. The last two sizes must be 3 and 4"):
        attnscope.Trace.from_attention([weights.mT], ["x", "y", "z"], key_tokens=TOKENS)
    with pytest.raises(InputError, match="cannot be combined with `key_tokens`"):
        attnscope.Trace.from_attention([weights], ["x", "y", "z"], 1, key_tokens=TOKENS)


def test_encoder_decoder_attention_becomes_three_stacks_that_can_be_saved(tmp_path) -> None:
    encoder, decoder, cross = (
        uniform_weights(1, 4, 4, 4),
        torch.softmax(torch.randn(3, 2, 2), -1),
        uniform_weights(2, 2, 4),
    )
    trace = attnscope.Trace.from_attention(
        encoder_attentions=[encoder, encoder],
        decoder_attentions=[decoder] * 3,
        cross_attentions=[None, cross],
        encoder_tokens=TOKENS,
        decoder_tokens=["x", "y"],
    )
    assert {name: (stack.layers, stack.heads) for name, stack in trace.stacks.items()} == {
        "encoder": (2, 4),
        "decoder": (3, 3),
        "cross": (2, 2),
    }
    trace.save(tmp_path / "a.trace")
    opened = attnscope.open(tmp_path / "a.trace")
    assert opened.id == trace.id and torch.equal(opened.attention(1, 1, "cross"), cross[1])
    assert [len(one) for one in opened.tokens_for("cross")] == [2, 4]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "No attention was passed"),
        ({"encoder_attentions": [uniform_weights(2, 4, 4)]}, "`encoder_attentions` requires `encoder_tokens`"),
        (
            {"cross_attentions": [uniform_weights(2, 2, 4)], "decoder_tokens": ["x", "y"]},
            "`cross_attentions` requires `encoder_tokens`",
        ),
        ({"encoder_attentions": (), "encoder_tokens": TOKENS}, "pass `outputs.encoder_attentions`"),
        ({"attentions": [uniform_weights(2, 4, 4)], "tokens": TOKENS, "encoder_tokens": TOKENS}, "but not both"),
    ],
)
def test_arguments_that_cannot_be_combined_raise_a_clear_error(arguments, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attnscope.Trace.from_attention(**arguments)


def test_a_whole_model_output_raises_a_clear_error(minilm: attnscope.Model) -> None:
    with torch.no_grad():
        output = minilm.hf_model(**minilm.tokenizer("the cat", return_tensors="pt"))
    with pytest.raises(InputError, match=r"is the whole model output\. Pass `outputs\.attentions`"):
        attnscope.Trace.from_attention(output, TOKENS)


def test_prettify_tokens_makes_tokens_readable() -> None:
    tokens = ["Ġthe", "cafÃ©", "ĠðŁĺ", "Ċ"]
    trace = attnscope.Trace.from_attention([uniform_weights(2, 4, 4)], tokens, prettify_tokens=True)
    assert [one.text for one in trace.tokens] == [" the", "café", " ðŁĺ", "\n"]
    trace = attnscope.Trace.from_attention(
        [uniform_weights(2, 4, 4)], ["▁the", "cat</w>", "[SEP]", "##s"], prettify_tokens=True
    )
    assert [one.text for one in trace.tokens] == [" the", "cat", "[SEP]", "##s"]
    assert [one.special for one in trace.tokens] == [False, False, True, False]
