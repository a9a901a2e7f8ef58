"""Attention weights from anywhere become a trace, or a sentence about what is wrong with them."""

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
def test_shapes_and_kinds_that_are_taken(attentions) -> None:
    trace = attnscope.Trace.from_attention(attentions, TOKENS)
    torch.testing.assert_close(trace.attention(0, 1), uniform_weights(4, 4), atol=3e-2, rtol=0)


def test_lower_triangular_weights_are_a_decoder() -> None:
    weights = torch.tril(torch.ones(4, 4))
    trace = attnscope.Trace.from_attention([(weights / weights.sum(-1, keepdim=True))[None]], TOKENS)
    assert list(trace.stacks) == ["decoder"]


def test_a_given_trace_saves_and_opens(tmp_path) -> None:
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
        ([], TOKENS, "no attention in `attentions`"),
        ((), TOKENS, "pass `outputs.attentions`"),
        ({}, TOKENS, "no attention in `attentions`"),
        ({"0": uniform_weights(2, 4, 4)}, TOKENS, "layers' numbers, from 0 on; got '0'"),
        (uniform_weights(1, 4, 8), TOKENS, "pass `outputs.attentions`"),
        ("weights", TOKENS, "got str"),
        (None, TOKENS, "Pass `attentions` with `tokens`"),
        ([uniform_weights(2, 4, 4)], "abcd", "list of the tokens' texts"),
        ([None, None], TOKENS, "no attention in `attentions`"),
        ([uniform_weights(2, 4, 4)], [], "one for each position"),
        ([uniform_weights(2, 4, 4)], [1, 2, 3, 4], "one for each position"),
        ([uniform_weights(2, 4, 4)], ["a", "b"], "there are 2 tokens"),
        ([uniform_weights(2, 4, 4)[:, :3]], TOKENS, "there are 4 tokens"),
        ([uniform_weights(4, 4)], TOKENS, "has shape \\(4, 4\\)"),
        (uniform_weights(2, 4, 4), TOKENS, "Put it into a list"),
        ([uniform_weights(2, 2, 4, 4)], TOKENS, "batch of 2"),
        ([uniform_weights(2, 4, 4) * float("nan")], TOKENS, "NaN or infinity"),
        ([uniform_weights(2, 4, 4) * 4], TOKENS, "sums to 4"),
        ([uniform_weights(2, 4, 4) * 0.5], TOKENS, "sums to 0.5"),
        ([torch.randn(2, 4, 4)], TOKENS, "distributions"),
        ([torch.ones(2, 4, 4, dtype=torch.int64)], TOKENS, "expected floats"),
        (["weights"], TOKENS, "Layer 0"),
    ],
)
def test_what_is_no_attention_gets_a_sentence(attentions, tokens, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attnscope.Trace.from_attention(attentions, tokens)


def test_rows_with_sinks_and_rows_without_keys_are_taken_when_said() -> None:
    weights = uniform_weights(2, 4, 4) * 0.5
    trace = attnscope.Trace.from_attention([weights], TOKENS, partial_rows=True)
    assert torch.equal(trace.attention(0, 0), weights[0])
    weights = uniform_weights(2, 4, 4)
    weights[:, 0] = 0
    assert float(attnscope.Trace.from_attention([weights], TOKENS).attention(0, 0)[0].sum()) == 0


def test_sentence_b_must_start_inside(minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="between 1 and 3; got 4"):
        attnscope.Trace.from_attention([uniform_weights(2, 4, 4)], TOKENS, sentence_b_start=4)
    with pytest.raises(InputError, match="between 1 and 3; got 'b'"):
        attnscope.Trace.from_attention([uniform_weights(2, 4, 4)], TOKENS, sentence_b_start="b")  # pyright: ignore[reportArgumentType]


def test_weights_beyond_0_and_1_by_rounding_are_0_and_1() -> None:
    weights = torch.eye(4)[None].repeat(2, 1, 1)
    weights[0, 0, 0], weights[0, 0, 1] = 1 + 2**-7, -(2**-7)  # the bfloat16 after 1
    trace = attnscope.Trace.from_attention([weights.to(torch.bfloat16)], TOKENS)
    assert torch.equal(trace.attention(0, 0), torch.eye(4))
    fields, arrays = layer_message(trace.layer_record(0), Limits())
    assert arrays["attention"][0, 0].tolist() == [255, 0, 0, 0] and fields["error"] == 0


class Foreign:
    """An array of a library that numpy can read."""

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
def test_arrays_of_other_kinds_are_taken(attentions) -> None:
    trace = attnscope.Trace.from_attention(attentions, TOKENS)
    assert torch.equal(trace.attention(0, 1), uniform_weights(4, 4))


def test_a_mapping_names_its_layers() -> None:
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


def test_queries_may_look_at_other_tokens() -> None:
    weights = torch.softmax(torch.randn(2, 3, 4), -1)
    trace = attnscope.Trace.from_attention([weights], ["x", "y", "z"], key_tokens=TOKENS)
    queries, keys = trace.tokens_for("cross")
    assert ([one.text for one in queries], [one.text for one in keys]) == (["x", "y", "z"], TOKENS)
    assert torch.equal(trace.attention(0, 1), weights[1]) and [one.text for one in trace.tokens] == ["x", "y", "z"]
    with pytest.raises(InputError, match="there are 3 queries and 4 keys: the last two sizes must be 3 and 4"):
        attnscope.Trace.from_attention([weights.mT], ["x", "y", "z"], key_tokens=TOKENS)
    with pytest.raises(InputError, match="goes with one list of tokens"):
        attnscope.Trace.from_attention([weights], ["x", "y", "z"], 1, key_tokens=TOKENS)


def test_encoder_decoder_and_across_are_three_stacks_that_save_and_open(tmp_path) -> None:
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
        ({}, "There is no attention"),
        ({"encoder_attentions": [uniform_weights(2, 4, 4)]}, "`encoder_tokens` are needed with `encoder_attentions`"),
        (
            {"cross_attentions": [uniform_weights(2, 2, 4)], "decoder_tokens": ["x", "y"]},
            "`encoder_tokens` are needed with `cross",
        ),
        ({"encoder_attentions": (), "encoder_tokens": TOKENS}, "pass `outputs.encoder_attentions`"),
        ({"attentions": [uniform_weights(2, 4, 4)], "tokens": TOKENS, "encoder_tokens": TOKENS}, "nor both"),
    ],
)
def test_parts_that_do_not_go_together_get_a_sentence(arguments, message: str) -> None:
    with pytest.raises(InputError, match=message):
        attnscope.Trace.from_attention(**arguments)


def test_a_whole_output_gets_a_sentence(minilm: attnscope.Model) -> None:
    with torch.no_grad():
        output = minilm.hf_model(**minilm.tokenizer("the cat", return_tensors="pt"))
    with pytest.raises(InputError, match=r"the whole output of a model; pass `outputs\.attentions`"):
        attnscope.Trace.from_attention(output, TOKENS)


def test_tokenizers_marks_become_text_when_asked() -> None:
    tokens = ["Ġthe", "cafÃ©", "ĠðŁĺ", "Ċ"]
    trace = attnscope.Trace.from_attention([uniform_weights(2, 4, 4)], tokens, prettify_tokens=True)
    assert [one.text for one in trace.tokens] == [" the", "café", " ðŁĺ", "\n"]
    trace = attnscope.Trace.from_attention(
        [uniform_weights(2, 4, 4)], ["▁the", "cat</w>", "[SEP]", "##s"], prettify_tokens=True
    )
    assert [one.text for one in trace.tokens] == [" the", "cat", "[SEP]", "##s"]
    assert [one.special for one in trace.tokens] == [False, False, True, False]
