"""Prompts of different lengths: aligned by span, patched at the tokens that correspond; against hooks on plain transformers."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models
from helpers.patched_passes import BLOCK, W_O, difference, read_by, written_by

import attnscope
from attnscope.errors import InputError
from attnscope.model.patching.patches import attention_between
from attnscope.model.patching.prompt_pair import Correspondence, PromptPair

pytestmark = pytest.mark.core

CLEAN = [11, 12, 13, 14, 15, 16]
CORRUPTED = [11, 12, 31, 32, 33, 15, 16, 16]
"""13 14 became 31 32 33; another 16 was added at the end."""
PAIRS = {0: 0, 1: 1, 3: 2, 4: 3, 5: 4, 6: 5}
"""By hand, from the end of the replaced span backwards: the position in the corrupted prompt, and in the clean one."""
SPANS = {"word": (range(2, 4), range(2, 5)), "end": ([5], [6])}
OPTIONS = {"answer": 5, "foil": 7}


@pytest.fixture(scope="module")
def model() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("gpt2"))


def value_with(model: attnscope.Model, path: str, source: torch.Tensor, at: dict[int, list[int]], part: slice) -> float:
    """The metric of the corrupted prompt if `path` reads the mean of the clean rows at[i] in row i."""

    def patched(_module, args):
        changed = args[0].clone()
        for here, there in at.items():
            changed[0, here, part] = source[0, there, part].mean(0)
        return (changed,)

    hook = model.hf_model.get_submodule(path).register_forward_pre_hook(patched)
    found = difference(model.hf_model, "gpt2", CORRUPTED)
    hook.remove()
    return found


@pytest.mark.parametrize(
    ("unequal", "at"),
    [
        ("last", {here: [there] for here, there in PAIRS.items()}),
        ("skip", {0: [0], 1: [1], 5: [4], 6: [5]}),
        ("mean", {0: [0], 1: [1], 2: [2, 3], 3: [2, 3], 4: [2, 3], 5: [4], 6: [5]}),
    ],
)
def test_heads_are_patched_where_tokens_correspond(model, unequal, at):
    sweep = model.patch(CLEAN, CORRUPTED, **OPTIONS, spans=SPANS, unequal=unequal)
    wanted = at if unequal != "last" else {0: [0], 1: [1], 3: [2], 4: [3], 5: [4], 6: [5]}
    assert any("aligned by span: the clean one has 6 tokens, the corrupted one 8" in note for note in sweep.notes)
    for layer in range(3):
        path = W_O["gpt2"].format(layer)
        source = read_by(model.hf_model, path, CLEAN)
        width = source.shape[-1] // 4
        for head in range(4):
            expected = value_with(model, path, source, wanted, slice(head * width, (head + 1) * width))
            assert float(sweep.values[layer, head]) == pytest.approx(expected, abs=1e-5)


def test_a_sweep_by_position_has_the_corresponding_tokens_as_columns(model):
    sweep = model.patch(CLEAN, CORRUPTED, **OPTIONS, what="residual", spans=SPANS)
    assert sweep.columns == (0, 1, 3, 4, 5, 6) and sweep.source_columns == (0, 1, 2, 3, 4, 5)
    frame = sweep.frame()
    assert frame["source_position"].tolist()[:6] == [0, 1, 2, 3, 4, 5]
    path = BLOCK["gpt2"].format(1)
    source = written_by(model.hf_model, path, CLEAN)
    for column, (here, there) in enumerate(zip(sweep.columns, sweep.source_columns, strict=True)):

        def patched(_module, _args, output, here=here, there=there):
            state = (output[0] if isinstance(output, tuple) else output).clone()
            state[:, here] = source[:, there]
            return (state, *output[1:]) if isinstance(output, tuple) else state

        hook = model.hf_model.get_submodule(path).register_forward_hook(patched)
        expected = difference(model.hf_model, "gpt2", CORRUPTED)
        hook.remove()
        assert float(sweep.values[1, column]) == pytest.approx(expected, abs=1e-5)


def test_positions_are_names_of_spans_or_positions_of_the_clean_prompt(model):
    sweep = model.patch(
        CLEAN, CORRUPTED, **OPTIONS, what="residual", spans=SPANS, unequal="mean", positions=["word", 4, [1, 4]]
    )
    assert sweep.columns == ((2, 3, 4), 5, (1, 5)) and sweep.source_columns == ((2, 3), 4, (1, 4))
    found = model.mediate(CLEAN, CORRUPTED, 5, 7, what="residual", spans=SPANS, unequal="mean", positions=["word", 4])
    assert found.into_clean.columns == ((2, 3), 4) and found.into_corrupted.columns == ((2, 3, 4), 5)
    assert found.frame()["position"].tolist()[:2] == [(2, 3), 4]
    with pytest.raises(InputError, match="no counterpart"):
        model.patch(CLEAN, CORRUPTED, **OPTIONS, what="residual", spans=SPANS, unequal="skip", positions=[2])


def test_rows_of_attention_are_mapped_as_by_hand():
    """Clean keys a b c d (b removed); corrupted keys a x y d e: c became x y, e was added."""
    pairs = (((0,), (0,)), ((2,), (1, 2)), ((3,), (3,)))
    keys = Correspondence(pairs, 4, 5, "last", by_position=False)
    queries = Correspondence((((0,), (0,)),), 1, 1, "last", by_position=True)
    clean = torch.tensor([[[0.2, 0.3, 0.4, 0.1]]])
    own = torch.tensor([[[0.1, 0.1, 0.3, 0.2, 0.3]]])
    # e keeps 0.3; the other 0.7 are divided as a : c : d = 0.2 : 0.4 : 0.1, and c's part as x : y = 0.1 : 0.3
    wanted = [0.7 * 2 / 7, 0.7 * 4 / 7 / 4, 0.7 * 4 / 7 * 3 / 4, 0.7 / 7, 0.3]
    assert attention_between(clean, own, queries, keys)[0, 0].tolist() == pytest.approx(wanted, abs=1e-6)
    sink = attention_between(clean / 2, own / 2, queries, keys)[0, 0]  # half of each row is on a learned sink
    left = (1 - 0.15) / (1 - 0.15)
    assert sink.tolist() == pytest.approx([0.1 * left, 0.05 * left, 0.15 * left, 0.05 * left, 0.15], abs=1e-6)
    nothing = attention_between(torch.tensor([[[0.0, 1.0, 0.0, 0.0]]]), own, queries, keys)
    assert torch.equal(nothing, own)


def test_patched_attention_of_prompts_of_different_lengths_is_that_of_an_edit(model):
    """The same rows, put into the model by `PatchHead` with an array."""
    sweep = model.patch(CLEAN, CORRUPTED, **OPTIONS, what="attention", spans=SPANS)
    clean, corrupted = model.trace(CLEAN), model.trace(CORRUPTED)
    pair = PromptPair.of(clean, corrupted, SPANS, "last")
    between = pair.sides["text"]
    rows = attention_between(clean.attention(1, 2)[None], corrupted.attention(1, 2)[None], between, between)[0]
    assert rows.sum(-1).tolist() == pytest.approx([1.0] * 8, abs=1e-5)
    assert bool((rows.triu(1) == 0).all())
    edited = model.trace(CORRUPTED, edits=[attnscope.edits.PatchHead(1, 2, rows)]).logits[-1].double()
    assert float(sweep.values[1, 2]) == pytest.approx(float(edited[5] - edited[7]), abs=1e-5)
    assert any("Keys without a counterpart keep their weight" in note for note in sweep.notes)


def test_words_of_another_number_of_tokens(smollm2):
    sweep = smollm2.patch(
        "The nurse said that she",
        "The anaesthesiologist said that she",
        what="residual",
        answer=" was",
        foil=" had",
        layers=[5],
    )
    assert sweep.sources == ("The", " nurse", " said", " that", " she")
    assert sweep.labels[1] == smollm2.trace("The anaesthesiologist said that she").tokens[sweep.columns[1]].text
    assert sweep.columns[1] == sweep.columns[2] - 1 > 1
    word = smollm2.patch(
        "The nurse said", "The anaesthesiologist said", what="residual", answer=" that", positions=["nurse"], layers=[5]
    )
    assert word.columns == (sweep.columns[1],)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"unequal": "first"}, "`unequal` must be one of last, skip, mean"),
        ({"spans": [1]}, "`spans` must map names"),
        ({"spans": {"a": 1}}, "`spans` must map names"),
        ({"spans": {"a": (1, 3), "b": (3, 1)}}, "another order"),
    ],
)
def test_invalid_spans_raise(model, wrong, said):
    with pytest.raises(InputError, match=said):
        model.patch(CLEAN, CORRUPTED, **OPTIONS, **wrong)


def test_prompts_without_a_common_token_cannot_be_patched(model):
    with pytest.raises(InputError, match="no corresponding tokens"):
        model.patch([1, 2, 3], [4, 5], **OPTIONS, unequal="skip")
