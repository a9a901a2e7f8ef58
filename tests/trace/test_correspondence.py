"""Which tokens, layers and heads of two traces correspond, worked by hand."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models
from helpers.random_traces import random_trace, uniform_weights

import attnscope
from attnscope.errors import InputError
from attnscope.testing import FakeModel
from attnscope.trace.correspondence import Correspondence

pytestmark = pytest.mark.core


def found(trace, baseline) -> dict[str, list[int]]:
    return {name: side.tolist() for name, side in Correspondence.of(trace, baseline).sides.items()}


@pytest.mark.parametrize(
    ("current", "baseline", "indices", "substituted"),
    [
        ("a b c", "a b c", [0, 1, 2], []),
        ("a x c", "a b c", [0, 1, 2], [(1, 1)]),
        ("a x y c", "a b d c", [0, 1, 2, 3], [(1, 1), (2, 2)]),
        ("a x y c", "a b c", [0, -1, -1, 2], []),
        ("a b x c", "a b c", [0, 1, -1, 2], []),
        ("a c", "a b c", [0, 2], []),
        ("x y", "a b", [0, 1], [(0, 0), (1, 1)]),
    ],
)
def test_equal_tokens_and_runs_of_the_same_length_correspond(current, baseline, indices, substituted) -> None:
    model = FakeModel()
    one = Correspondence.of(model.trace(current), model.trace(baseline))
    assert one.sides["text"].tolist() == indices
    assert list(one.substituted) == substituted
    assert one.identical == (current == baseline)


def test_both_sides_of_an_encoder_decoder_model_are_aligned() -> None:
    model = FakeModel(kind="encoder-decoder")
    sides = found(model.trace("a b c", target="d e f"), model.trace("a c", target="d x f"))
    assert sides == {"source": [0, -1, 1], "target": [0, 1, 2]}


def test_notes_count_what_corresponds_to_nothing_and_what_moved() -> None:
    model = FakeModel()
    notes = Correspondence.of(model.trace("a x b c"), model.trace("a b c y")).notes
    assert notes == (
        "1 token of this pass and 1 of the baseline correspond to nothing, and have no difference.",
        "Some tokens are at another position in the baseline, which alone changes their attention.",
    )
    assert Correspondence.of(model.trace("a b"), model.trace("a b")).notes == ()


def test_padding_corresponds_to_nothing() -> None:
    model = attnscope.Model(tiny_models.build("bert"), tiny_models.words_tokenizer())
    inputs = model.tokenizer(["a b c", "a b c d e"], padding=True, return_tensors="pt")
    padded = model.trace({name: value[:1] for name, value in inputs.items()})
    assert [token.padding for token in padded.tokens] == [False] * 4 + [True] * 2
    assert found(padded, padded)["text"] == [0, 1, 2, 3, -1, -1]


def test_other_numbers_of_layers_and_heads_are_named() -> None:
    one = Correspondence.of(FakeModel(layers=4, heads=4).trace("a b"), FakeModel(layers=2, heads=2).trace("a b"))
    assert one.stacks["decoder"].heads == (2, 2, 0, 0)
    assert one.stacks["decoder"].note == (
        "This pass has 4 layers and the baseline 2; they correspond by their index, counted from 0. Layers 2 to 3 have no "
        "difference. Layers with 4 heads have 2 in the baseline: heads 0 to 1 are compared by their index."
    )


def test_a_stack_that_the_baseline_lacks_has_no_difference() -> None:
    sequence = FakeModel(kind="encoder-decoder").trace("a b", target="c d")
    with pytest.raises(InputError, match=r"one has the stacks 'decoder', the other 'encoder'"):
        Correspondence.of(FakeModel().trace("a b"), FakeModel(kind="encoder").trace("a b"))
    with pytest.raises(InputError, match="No token of the two passes corresponds"):
        Correspondence.of(sequence, FakeModel().trace("a b"))


def test_inputs_without_a_common_token_are_an_error() -> None:
    with pytest.raises(InputError, match=r"No token of the two passes corresponds.*Compare inputs that share a part"):
        Correspondence.of(FakeModel().trace("a b c"), FakeModel().trace("x y"))


def test_different_tokenizers_are_an_error() -> None:
    one = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer("a b c"))
    other = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer("0 1 a b c"))
    with pytest.raises(InputError, match=r"different tokenizers \(id \d+ is '\w' in one and '\w' in the other\)"):
        Correspondence.of(one.trace("a b c"), other.trace("a b c"))
    with pytest.raises(InputError, match=r"different tokenizers \('a' has the id \d+ in one and \d+ in the other\)"):
        Correspondence.of(one.trace("a"), other.trace("a"))
    grown = attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer("a b c d e"))
    assert found(one.trace("a b c"), grown.trace("a b c"))["text"] == [0, 1, 2, 3]


def test_real_tokenizers_are_told_apart_for_any_two_texts(smollm2: attnscope.Model, minilm: attnscope.Model) -> None:
    for text in ("She asked the nurse", "the cat sat on the mat"):
        with pytest.raises(InputError, match="different tokenizers"):
            Correspondence.of(smollm2.trace(text), minilm.trace(text))


def test_attention_without_token_ids_is_aligned_by_text(smollm2: attnscope.Model) -> None:
    trace = smollm2.trace("The cat sat")
    plain = random_trace(["The", "big", "cat", "sat"], layers=30, heads=9)
    assert found(trace, plain)["text"] == [0, 2, 3]
    assert found(plain, trace)["text"] == [0, -1, 1, 2]


def test_layers_without_attention_count_no_heads() -> None:
    weights = torch.tril(uniform_weights(2, 3, 3))
    trace = attnscope.Trace.from_attention([None, weights], list("abc"), partial_rows=True)
    other = random_trace(list("abc"), layers=2)
    assert Correspondence.of(trace, other).stacks["encoder" if "encoder" in trace.stacks else "decoder"].heads == (0, 2)


def test_other_precision_is_named() -> None:
    model = tiny_models.build("llama")
    one = attnscope.Model(model).trace([5, 6, 7])
    half = attnscope.Model(tiny_models.build("llama").to(torch.bfloat16)).trace([5, 6, 7])
    assert Correspondence.of(one, half).notes == (
        "This pass was computed in float32 and the baseline in bfloat16, so small differences may be rounding.",
    )
