"""Edits over words and spans: against the same edits by indices, and against eager attention with a softmax written here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from helpers.eager_reference import change_at, edited_copy, run_with_change
from helpers.tiny_models import build, ids, words_tokenizer
from torch import Tensor

import attnscope
from attnscope import edits
from attnscope.edits import AddVector, CutEdge, ScaleHead, SetAttention
from attnscope.errors import InputError, UnsupportedError

PATHS = {
    "gpt2": "transformer.h.1.attn",
    "bert": "bert.encoder.layer.1.attention.self",
    "gpt_oss": "model.layers.1.self_attn",
}
QUERIES, KEYS, HEAD = (4, 6, 7), (1, 2, 5), 1


def reference(
    model: attnscope.Model, trace: attnscope.Trace, what: str, path: str, change: Any
) -> tuple[Tensor, Tensor]:
    """Logits, and the weights [query, key] of the head that is changed, in the tests' own attention."""
    twin = edited_copy(model.hf_model)
    options = {} if "token_type_ids" in trace.inputs or "bert" in path else {"use_cache": False}
    output, seen = run_with_change(twin, change_at(what, path, change), lambda: twin(**trace.inputs, **options))
    return output.logits[0], seen[path][0, HEAD]


def reweighted(row: Tensor, keys: list[int], weight: float, *, sink: bool) -> Tensor:
    """SetAttention on a span, by hand."""
    total = sum(float(row[key]) for key in keys)
    rest = (1.0 if sink else float(row.sum())) - total
    new = [float(value) * (1 - weight) / rest for value in row]
    for key in keys:
        new[key] = weight * (float(row[key]) / total if total > 0 else 1 / len(keys))
    return torch.tensor(new)


@pytest.mark.parametrize("family", PATHS)
def test_a_span_shares_the_weight_in_proportion(family: str) -> None:
    model, path = attnscope.Model(build(family)), PATHS[family]
    plain = model.trace(ids(9))
    causal = family != "bert"

    def change(weights: Tensor) -> None:
        for query in QUERIES:
            keys = [key for key in KEYS if not causal or key <= query]
            weights[0, HEAD, query] = reweighted(weights[0, HEAD, query], keys, 0.6, sink=family == "gpt_oss")

    logits, weights = reference(model, plain, "weights", path, change)
    edited = model.trace(ids(9), edits=[SetAttention(1, HEAD, QUERIES, KEYS, 0.6)])
    assert torch.allclose(edited.attention(1, HEAD), weights, atol=1e-5)
    assert torch.allclose(edited.logits, logits, atol=1e-4)
    assert torch.allclose(edited.attention(1, HEAD)[list(QUERIES)][:, list(KEYS)].sum(-1), torch.tensor(0.6), atol=1e-5)
    one = model.trace(ids(9), edits=[SetAttention(1, HEAD, [4], [2], 0.6)])
    assert torch.equal(
        one.attention(1, HEAD), model.trace(ids(9), edits=[SetAttention(1, HEAD, 4, 2, 0.6)]).attention(1, HEAD)
    )


@pytest.mark.parametrize("family", PATHS)
def test_a_span_is_cut_pair_by_pair(family: str) -> None:
    model, path = attnscope.Model(build(family)), PATHS[family]
    plain = model.trace(ids(9))

    def change(scores: Tensor) -> None:
        for query in QUERIES:
            for key in KEYS:
                scores[0, HEAD, query, key] = -torch.inf

    logits, weights = reference(model, plain, "scores", path, change)
    edited = model.trace(ids(9), edits=[CutEdge(1, HEAD, QUERIES, KEYS)])
    assert torch.allclose(edited.attention(1, HEAD), weights, atol=1e-5)
    assert torch.allclose(edited.logits, logits, atol=1e-4)
    pairs = [CutEdge(1, HEAD, query, key) for query in QUERIES for key in KEYS]
    assert torch.equal(model.trace(ids(9), edits=pairs).logits, edited.logits)


def test_a_span_without_weight_shares_equally_and_masked_keys_get_none() -> None:
    model = attnscope.Model(build("gpt2"))
    cut = CutEdge(1, HEAD, 4, [1, 2])
    row = model.trace(ids(9), edits=[cut, SetAttention(1, HEAD, 4, [1, 2, 7], 0.5)]).attention(1, HEAD, rows=[4])[0]
    assert row[[1, 2, 7]].tolist() == pytest.approx([0.25, 0.25, 0.0], abs=1e-6) and float(row.sum()) == pytest.approx(
        1
    )
    with pytest.raises(InputError, match="cannot attend to keys 7–8"):
        model.trace(ids(9), edits=[SetAttention(1, HEAD, 4, [7, 8], 0.5)])


def test_a_vector_is_added_at_every_token_of_a_span() -> None:
    model, vector = attnscope.Model(build("gpt2")), torch.arange(32.0)
    both = model.trace(ids(9), edits=[AddVector(0, [2, 5], vector)])
    apart = model.trace(ids(9), edits=[AddVector(0, 2, vector), AddVector(0, 5, vector)])
    assert torch.equal(both.logits, apart.logits)


TEXT = "The doctor asked the nurse a question about the tokenization. She"


@pytest.fixture(scope="module")
def named() -> list[edits.Edit]:
    return [
        CutEdge(3, 1, "She", "nurse"),
        SetAttention(4, 2, "She", "tokenization", 0.5),
        AddVector(5, ("the", 2), [0.1] * 576),
        CutEdge(6, 0, "about the", "doctor"),
    ]


INDEXED = [
    CutEdge(3, 1, 12, 4),
    SetAttention(4, 2, 12, (9, 10), 0.5),
    AddVector(5, 8, [0.1] * 576),
    CutEdge(6, 0, (7, 8), 1),
]


def test_words_are_recorded_as_indices(smollm2: attnscope.Model, named: list[edits.Edit]) -> None:
    trace = smollm2.trace(TEXT, edits=named)
    assert trace.edits == INDEXED and trace.provenance["edits"] == [edit.as_json() for edit in INDEXED]
    assert trace.id == smollm2.trace(TEXT, edits=INDEXED).id
    again = smollm2.trace(TEXT, edits=edits.from_json(edits.to_json(named)))
    assert again.id == trace.id
    made = smollm2.generate(TEXT, max_new_tokens=2, edits=named)
    assert made.trace.edits == INDEXED
    assert made.text == smollm2.generate(TEXT, max_new_tokens=2, edits=INDEXED).text
    states = smollm2.states(TEXT, edits=named, position="tokenization")
    assert torch.equal(states.norms, smollm2.states(TEXT, edits=INDEXED).norms)
    assert states.contributions is not None and states.contributions.position == 10


def test_words_need_a_text_and_must_be_in_it(smollm2: attnscope.Model) -> None:
    cut = CutEdge(3, 1, "She", "nurse")
    with pytest.raises(InputError, match="`query` of CutEdge is a word"), smollm2.edited([cut]):
        pass
    with pytest.raises((InputError, UnsupportedError), match="CutEdge"):
        smollm2.bake([cut])
    with pytest.raises(InputError, match='`query` of CutEdge: "the" occurs at tokens 3 and 8 of "The doctor'):
        smollm2.trace(TEXT, edits=[CutEdge(3, 1, "the", 0)])
    with pytest.raises(InputError, match='`key` of CutEdge: "dentist" is not a word'):
        smollm2.trace(TEXT, edits=[CutEdge(3, 1, "nurse", "dentist")])


def test_words_of_each_side_of_an_encoder_decoder() -> None:
    model = attnscope.Model(build("t5"), words_tokenizer("the cat sat", "die katze saß"))
    cut = CutEdge(1, 0, "katze", "cat", stack="cross")
    trace = model.trace("the cat sat", target="die katze saß", edits=[cut, ScaleHead(0, 0, 0.5, stack="encoder")])
    query, key = trace.find("katze", "cross", "query"), trace.find("cat", "cross", "key")
    assert trace.edits[0] == CutEdge(1, 0, query[0], key[0], stack="cross")
    assert float(trace.attention(1, 0, "cross")[query[0], key[0]]) == 0
    with pytest.raises(InputError, match='`query` of CutEdge: "cat" is not a word'):
        model.trace("the cat sat", target="die katze", edits=[CutEdge(1, 0, "cat", 0, stack="cross")])
