"""The difference of two passes is plain subtraction where tokens correspond, and so are its thumbnails."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import tiny_models
from helpers.random_traces import random_trace

import attnscope
from attnscope import analysis
from attnscope.analysis.overview import overview
from attnscope.edits import CutEdge, ScaleHead, SetAttention
from attnscope.errors import InputError
from attnscope.trace import Trace


def subtracted(
    trace: Trace, baseline: Trace, at: list[int], layer: int, head: int, stack=None, keys=None
) -> torch.Tensor:
    """One number at a time; `at` are the rows of the baseline (and `keys` its columns), -1 where there is none."""
    now, before = trace.attention(layer, head, stack), baseline.attention(layer, head, stack)
    columns = at if keys is None else keys
    return torch.tensor(
        [
            [
                math.nan if at[i] < 0 or columns[j] < 0 else float(now[i, j]) - float(before[at[i], columns[j]])
                for j in range(now.shape[1])
            ]
            for i in range(now.shape[0])
        ]
    )


def same(found: torch.Tensor, wanted: torch.Tensor) -> None:
    assert found.dtype == torch.float32 and found.shape == wanted.shape
    assert torch.equal(found.isnan(), wanted.isnan())
    assert torch.allclose(found, wanted, atol=1e-6, equal_nan=True)


TEXTS = [
    ("She asked the nurse if he knew", "He asked the nurse if he knew", [0, 1, 2, 3, 4, 5, 6]),
    ("She asked the old nurse", "She asked the nurse", [0, 1, 2, -1, 3]),
    ("She asked the nurse", "She asked the old nurse", [0, 1, 2, 4]),
    ("He asked the very old nurse if", "She asked the nurse if", [0, 1, 2, -1, -1, 3, 4]),
]


@pytest.mark.parametrize(("text", "before", "at"), TEXTS)
def test_the_difference_of_two_prompts_is_subtraction(smollm2: attnscope.Model, text, before, at) -> None:
    trace, baseline = smollm2.trace(text), smollm2.trace(before)
    assert len(trace.tokens) == len(at)
    for layer, head in ((0, 0), (11, 4), (29, 8)):
        wanted = subtracted(trace, baseline, at, layer, head)
        same(analysis.difference(trace, baseline, layer, head), wanted)
        same(analysis.difference(trace, baseline, layer, head, rows=[3, 1]), wanted[[3, 1]])
    same(analysis.difference(trace, baseline, 5, 1, rows="asked"), subtracted(trace, baseline, at, 5, 1)[[1]])


def test_the_difference_from_the_unedited_pass_is_exactly_0_before_the_edit(smollm2: attnscope.Model) -> None:
    text = "She asked the nurse if he knew"
    after, before = smollm2.trace(text, edits=ScaleHead(10, 2, 0)), smollm2.trace(text)
    for layer in (0, 9, 10):
        assert not analysis.difference(after, before, layer, 2).any()
    same(analysis.difference(after, before, 11, 2), after.attention(11, 2) - before.attention(11, 2))
    assert analysis.difference(after, before, 11, 2).any()


@pytest.mark.parametrize("family", [*tiny_models.FAMILIES, *tiny_models.OUTSIDE_INTERFACE])
def test_every_family_can_be_compared(family: str) -> None:
    model = attnscope.Model(tiny_models.build(family))
    ids = tiny_models.ids(14)
    other = [*ids[:4], 7, *ids[5:8], *ids[9:]]
    at = [0, 1, 2, 3, 4, 5, 6, 7, -1, 8, 9, 10, 11, 12]
    trace, baseline = model.trace(ids), model.trace(other)
    for layer in range(trace.stacks[next(iter(trace.stacks))].layers):
        same(analysis.difference(trace, baseline, layer, 3), subtracted(trace, baseline, at, layer, 3))


@pytest.mark.parametrize("family", ["t5", "bart"])
def test_every_stack_of_an_encoder_decoder_model_can_be_compared(family: str) -> None:
    model = attnscope.Model(tiny_models.build(family), tiny_models.words_tokenizer())
    trace, baseline = model.trace("a b c d", target="e f g"), model.trace("a c d", target="e h g b")
    source, target = [0, -1, 1, 2, 3], [0, 1, 2, 3]
    one = [token.text.strip() for token in trace.sides["target"]]
    other = [token.text.strip() for token in baseline.sides["target"]]
    assert (one[1:], other[1:]) == (["e", "f", "g"], ["e", "h", "g", "b"])  # after the start token
    for stack, rows, keys in (("encoder", source, source), ("decoder", target, target), ("cross", target, source)):
        found = analysis.difference(trace, baseline, 1, 1, stack)
        same(found, subtracted(trace, baseline, rows, 1, 1, stack, keys))


def test_two_models_are_compared_head_by_head() -> None:
    model, other = tiny_models.build("llama"), tiny_models.build("llama")
    with torch.no_grad():
        other.model.layers[1].self_attn.q_proj.weight.mul_(1.5)
    one, two = attnscope.Model(other).trace(tiny_models.ids(9)), attnscope.Model(model).trace(tiny_models.ids(9))
    assert not analysis.difference(one, two, 0, 2).any()
    same(analysis.difference(one, two, 1, 2), one.attention(1, 2) - two.attention(1, 2))


def test_what_cannot_be_compared_is_said() -> None:
    small, large = random_trace(list("abc"), layers=1, heads=2), random_trace(list("abc"), layers=2, heads=3)
    with pytest.raises(InputError, match=r"Layer 1 has no difference\. This pass has 2 layers and the baseline 1"):
        analysis.difference(large, small, 1, 0)
    with pytest.raises(
        InputError, match=r"Head 2 of layer 0 has no difference: this layer has heads 0 to 1 in the baseline"
    ):
        analysis.difference(large, small, 0, 2)
    with pytest.raises(InputError, match="Layer 2 does not exist"):
        analysis.difference(large, small, 2, 0)
    for wrong in ((small, None), (None, small)):
        with pytest.raises(InputError, match=r"`analysis\.difference` needs a Trace; got None"):
            analysis.difference(*wrong, 0, 0)


def cells(values: torch.Tensor, size: int) -> torch.Tensor:
    """The value of largest absolute value of each cell, as a signed byte."""
    values = values.nan_to_num(0.0)
    high, wide = -(-values.shape[0] // size), -(-values.shape[1] // size)
    largest = [
        [
            max(values[i : i + high, j : j + wide].flatten().tolist(), key=lambda value: (abs(value), value))
            for j in range(0, values.shape[1], wide)
        ]
        for i in range(0, values.shape[0], high)
    ]
    found = torch.tensor(largest)
    return (found.sign() * found.abs().sqrt() * 127).round().int()


@pytest.mark.parametrize(("length", "size"), [(12, 64), (65, 64), (300, 64), (40, 7)])
@pytest.mark.parametrize("family", ["llama", "mistral", "bert", "bloom", "gpt_oss", "gemma2"])
def test_thumbnails_hold_the_largest_difference_of_every_cell(family: str, length: int, size: int) -> None:
    model, ids = attnscope.Model(tiny_models.build(family)), tiny_models.ids(length)
    other = [*ids[:3], 7, *ids[4:9], 8, 8, *ids[9:]]
    for one, two in ((ids, other), (other, ids)):
        trace, baseline = model.trace(one), model.trace(two)
        for layer in overview(trace, size=size, baseline=baseline, measured=False):
            assert layer.difference is not None and layer.difference.thumbnails is not None
            largest = 0.0
            for head in range(4):
                change = analysis.difference(trace, baseline, layer.layer, head)
                largest = max(largest, float(change.nan_to_num(0.0).abs().max()))
                assert layer.difference.thumbnails.dtype == torch.int8
                assert int((layer.difference.thumbnails[head].int() - cells(change, size)).abs().max()) <= 1
            assert layer.difference.largest == pytest.approx(largest, abs=1e-6)


def test_layers_before_an_edit_are_unchanged_without_computing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = attnscope.Model(tiny_models.build("llama")), tiny_models.ids(9)
    for edit in (CutEdge(1, 2, 5, 3), SetAttention(1, 2, 5, 3, 0.5), ScaleHead(1, 2, 0.0)):
        after, before = model.trace(ids, edits=edit), model.trace(ids)
        found = [one.difference for one in overview(after, baseline=before)]
        scaled = isinstance(edit, ScaleHead)
        assert [one.unchanged for one in found] == [True, scaled, False]
        assert [one.largest > 0 for one in found] == [False, not scaled, True]
    computed: list[int] = []
    records = before.traced_stack().records
    for layer, record in enumerate(records):
        tile = type(record).tile

        def counted(self, *arguments, records=records, tile=tile):
            computed.extend(place for place, one in enumerate(records) if one is self)
            return tile(self, *arguments)

        if layer == 0:
            monkeypatch.setattr(type(record), "tile", counted)
    list(overview(after, baseline=before))
    assert set(computed) == {2}


def test_the_part_of_two_sentences_is_cropped() -> None:
    model = attnscope.Model(tiny_models.build("bert"), tiny_models.words_tokenizer())
    trace, baseline = model.trace("a b c", "d e"), model.trace("a b b", "d e")
    (one, *_) = overview(trace, filter="AB", baseline=baseline)
    (queries, keys) = one.part.queries, one.part.keys
    change = analysis.difference(trace, baseline, 0, 1)[slice(*queries), slice(*keys)]
    assert one.difference is not None and one.difference.thumbnails is not None
    assert one.difference.thumbnails[1].shape == change.shape
    assert int((one.difference.thumbnails[1].int() - cells(change, 64)).abs().max()) <= 1
