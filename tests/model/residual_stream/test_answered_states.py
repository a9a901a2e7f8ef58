"""Answers in states: contributions of several tokens, and probability and rank by layer, compared with plain transformers."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope import edits
from attnscope.errors import InputError

pytestmark = pytest.mark.core

IDS = tiny_models.ids(9)
ANSWER, FOIL = [5, 9, 11], [6, 7]


def rows(hf_model: torch.nn.Module, answer: list[int], **more: torch.Tensor) -> torch.Tensor:
    """The logits that predict each token of the answer, from one plain pass on text and answer."""
    with torch.no_grad():
        return hf_model(torch.tensor([IDS + answer[:-1]]), **more).logits[0, len(IDS) - 1 :].double()


def summed(hf_model: torch.nn.Module, answer: list[int]) -> float:
    return float(rows(hf_model, answer).gather(-1, torch.tensor(answer)[:, None]).sum())


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "olmo2"])
def test_shares_sum_to_the_sum_of_the_tokens_logits(family):
    model = attnscope.Model(tiny_models.build(family))
    found = model.states(IDS, ANSWER, FOIL).contributions
    assert found.total == pytest.approx(summed(model.hf_model, ANSWER) - summed(model.hf_model, FOIL), abs=1e-5)
    assert abs(found.remainder) < 3e-5
    assert len(found.of("head")) == 12 and len(found.of("embedding")) == 1
    assert found.answer.ids == tuple(ANSWER) and found.position == len(IDS) - 1


def test_the_shares_of_several_tokens_are_those_of_each_token_added():
    model = attnscope.Model(tiny_models.build("llama"))
    several = model.states(IDS, ANSWER).contributions
    each = [model.states(IDS + ANSWER[:count], token).contributions for count, token in enumerate(ANSWER)]
    for index, share in enumerate(several.shares):
        assert share.value == pytest.approx(sum(one.shares[index].value for one in each), abs=1e-5)


@pytest.mark.parametrize("answer", [[5], ANSWER])
def test_the_answers_probability_and_rank_by_layer(answer):
    model = attnscope.Model(tiny_models.build("gpt2"))
    states = model.states(IDS, answer, FOIL)
    found = states.answer_by_layer()
    with torch.no_grad():
        output = model.hf_model(torch.tensor([IDS + answer[:-1]]), output_hidden_states=True)
        streams = [state[0, len(IDS) - 1 :] for state in output.hidden_states]
        lenses = [model.hf_model.lm_head(model.hf_model.transformer.ln_f(one)) for one in streams[:-1]]
    lenses.append(output.logits[0, len(IDS) - 1 :])
    for after, logits in enumerate(lenses):
        own = torch.log_softmax(logits.double(), -1).gather(-1, torch.tensor(answer)[:, None])
        assert float(found.answer.log_probability[after]) == pytest.approx(float(own.sum()), abs=1e-5)
        assert float(found.answer.probability[after]) == pytest.approx(math.exp(float(own.sum())), rel=1e-4)
        order = [logits[index].argsort(descending=True).tolist().index(token) + 1 for index, token in enumerate(answer)]
        assert int(found.answer.rank[after]) == max(order)
    frame = states.frame()
    there = frame[frame.position == len(IDS) - 1]
    assert there["answer_probability"].tolist() == pytest.approx(found.answer.probability.tolist())
    assert there["answer_rank"].tolist() == found.answer.rank.tolist()
    assert there["foil_rank"].tolist() == found.foil.rank.tolist()
    assert bool(frame[frame.position < len(IDS) - 1]["answer_rank"].isna().all())


def test_without_an_answer_there_are_no_columns_and_an_error():
    states = attnscope.Model(tiny_models.build("gpt2")).states(IDS)
    assert not [name for name in states.frame().columns if name.startswith("answer")]
    with pytest.raises(InputError, match="no answer"):
        states.answer_by_layer()


def test_an_edited_pass_is_edited_at_the_answer_too():
    model = attnscope.Model(tiny_models.build("llama"))
    found = model.states(IDS, ANSWER, edits=[edits.ScaleHead(1, 2, 0.0)]).contributions
    assert next(one.value for one in found.of("head") if (one.layer, one.head) == (1, 2)) == 0
    with model.edited([edits.ScaleHead(1, 2, 0.0)]):
        assert found.total == pytest.approx(summed(model.hf_model, ANSWER), abs=1e-5)


def test_an_encoder_decoder_predicts_several_tokens():
    model, target = attnscope.Model(tiny_models.build("t5")), tiny_models.ids(4)
    states = model.states(IDS, ANSWER, target=target)
    with torch.no_grad():
        ids = torch.tensor([[*target, *ANSWER[:-1]]])
        logits = model.hf_model(torch.tensor([IDS]), decoder_input_ids=ids).logits[0, 3:].double()
    wanted = logits.gather(-1, torch.tensor(ANSWER)[:, None])
    assert states.contributions.total == pytest.approx(float(wanted.sum()), abs=1e-5)
    assert abs(states.contributions.remainder) < 2e-5
    by_layer = states.answer_by_layer().answer
    logs = torch.log_softmax(logits, -1).gather(-1, torch.tensor(ANSWER)[:, None])
    assert float(by_layer.log_probability[-1]) == pytest.approx(float(logs.sum()), abs=1e-5)


def test_a_word_of_several_tokens_is_an_answer(smollm2):
    states = smollm2.states("The capital of Madagascar is", " Antananarivo", " Paris")
    ids = smollm2.tokenizer(" Antananarivo")["input_ids"]
    assert states.contributions.answer.ids == tuple(ids) and len(ids) > 1
    assert any("The answer ' Antananarivo' is" in note for note in states.notes)
    assert abs(states.contributions.remainder) < 1e-3
    assert states.answer_by_layer().answer.rank.shape == (31,)
