"""Inputs that can be traced (lists, batches, padded inputs, texts that are too long) and inputs that raise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from helpers.tiny_models import FAMILIES

import attnscope
from attnscope.errors import InputError, TooLongError

QUESTION = {"role": "user", "content": "Hi there"}


def test_a_list_of_texts_is_a_list_of_traces(minilm: attnscope.Model) -> None:
    traces = minilm.trace(["the cat", "a dog ran home"])
    assert [trace.id for trace in traces] == [minilm.trace("the cat").id, minilm.trace("a dog ran home").id]
    (paired,) = minilm.trace(["the cat"], pair=["a dog"])
    assert paired.id == minilm.trace("the cat", pair="a dog").id
    with pytest.raises(InputError, match="list of 2 second sentences; got one string"):
        minilm.trace(["a", "b"], pair="c")


@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("family", ["llama", "modernbert"])
def test_each_row_of_a_padded_batch_equals_a_single_trace(family: str, padding_side: str) -> None:
    torch.manual_seed(0)
    model = attnscope.Model(FAMILIES[family]().eval())
    long, short = [5, 6, 7, 8, 9, 10, 11, 12, 13], [14, 15, 16]
    pads = [0] * (len(long) - len(short))
    left = padding_side == "left"
    ids = [long, pads + short if left else short + pads]
    mask = [[1] * len(long), [0] * len(pads) + [1] * 3 if left else [1] * 3 + [0] * len(pads)]
    traces: Any = model.trace({"input_ids": ids, "attention_mask": mask})
    whole, padded = traces
    real = slice(len(pads), None) if left else slice(0, 3)
    alone = model.trace(short)
    assert whole.certificate.ok and padded.certificate.ok
    assert [token.special for token in padded.tokens] == [not one for one in mask[1]]
    for layer in range(alone.stacks[next(iter(alone.stacks))].layers):
        assert (padded.attention(layer, 1)[real, real] - alone.attention(layer, 1)).abs().max() < 1e-5
        assert padded.attention(layer, 1)[real].sum(-1) == pytest.approx(torch.ones(3))
        assert (whole.attention(layer, 1) - model.trace(long).attention(layer, 1)).abs().max() < 1e-5


def test_max_tokens_cuts_a_long_text(smollm2: attnscope.Model, minilm: attnscope.Model) -> None:
    text = "fox " * 600
    with pytest.raises(TooLongError, match="602 tokens"):
        minilm.trace(text)
    cut = minilm.trace(text, max_tokens=minilm.max_tokens)
    assert len(cut.tokens) == 512 and cut.tokens[-1].text == "[SEP]"
    assert cut.warnings == ["The text was cut to 512 of its 602 tokens."]
    assert [token.text for token in smollm2.trace([5, 6, 7, 8], max_tokens=2).tokens] == [
        token.text for token in smollm2.trace([5, 6]).tokens
    ]
    assert minilm.trace("a b", max_tokens=9).warnings == []
    for bad, sentence in ((0, "at least 1"), (2, "adds 2 special tokens")):
        with pytest.raises(InputError, match=sentence):
            minilm.trace(text, max_tokens=bad)
    with pytest.raises(InputError, match="chat cannot be cut"):
        smollm2.trace([QUESTION], max_tokens=3)


@pytest.mark.parametrize(
    ("given", "options", "sentence"),
    [
        (None, {}, "a mapping of model inputs; got NoneType"),
        (2.5, {}, "got float"),
        ([1.5, 2], {}, "got list of float, int"),
        ([[5, 6]], {}, "got list of list"),
        ([True], {}, "got list of bool"),
        ([], {}, "no tokens"),
        (torch.tensor([[5, 6], [7, 8]]), {}, "covers one input, but `input_ids` is a batch of 2. Pass one row"),
        ("cat", {"pair": 5}, "must be a text; got int"),
        ("cat", {"pair": ["dog"]}, "needs a list of texts"),
        (["cat", "dog"], {"pair": 5}, "list of 2 second sentences; got int"),
        (["cat", "dog"], {"pair": ["a", 5]}, "must be a text; got int"),
        ([5, 6], {"pair": "dog"}, "works only with a text, not with token ids"),
        ("cat", {"max_tokens": "5"}, "at least 1; got '5'"),
        ("cat", {"max_tokens": 1.5}, "at least 1; got 1.5"),
        ([5, 6], {"max_tokens": True}, "at least 1; got True"),
        ({"input_features": torch.zeros(1, 16, 60)}, {}, "has no input named input_features"),
        (
            {"input_ids": [[5, 6]], "token_type_ids": [[0, 7]]},
            {},
            "fails on these inputs .IndexError: index out",
        ),
        ({"input_ids": [[5, 6]], "position_ids": [[0, 9999]]}, {}, "fails on these inputs"),
    ],
)
def test_inputs_that_cannot_be_traced_raise(minilm: attnscope.Model, given: Any, options: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        minilm.trace(given, **options)
    if isinstance(given, dict):
        with pytest.raises(InputError, match=sentence):
            minilm.check(given)


def test_check_accepts_a_single_text(minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="Pass a single text; got a list of 2"):
        minilm.check(["cat", "dog"])  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="needs a list of texts"):
        minilm.check("cat", pair=["dog"])  # pyright: ignore[reportArgumentType]


def test_token_ids_may_be_numpys(minilm: attnscope.Model) -> None:
    ids = minilm.tokenizer("the cat")["input_ids"]
    assert minilm.trace(list(np.array(ids))).id == minilm.trace(ids).id


def test_an_invalid_tokenizer_raises_at_once(minilm: attnscope.Model) -> None:
    for given in ("minilm", 5, minilm.hf_model):
        with pytest.raises(InputError, match=f"image processor or processor, .*; got {type(given).__name__}"):
            attnscope.Model(minilm.hf_model, given)
