"""Predictions other than next tokens, compared with the model's own logits."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers as tf

import attnscope

SMALL = {"num_hidden_layers": 2, "hidden_size": 48, "intermediate_size": 48, "num_attention_heads": 4}


@pytest.fixture(scope="module")
def of_class(minilm: attnscope.Model) -> Any:
    """A tiny model of the given class, with MiniLM's tokenizer."""

    def make(cls: Any, config: Any = tf.BertConfig, **more: Any) -> attnscope.Model:
        torch.manual_seed(0)
        sizes = {"vocab_size": len(minilm.tokenizer), "pad_token_id": 0, **SMALL, **more}
        return attnscope.Model(cls(config(**sizes)).eval(), minilm.tokenizer)

    return make


def output(model: attnscope.Model, trace: attnscope.Trace) -> Any:
    with torch.no_grad():
        return model.hf_model(**trace.inputs)


def test_every_mask_token_has_predictions(of_class) -> None:
    model = of_class(tf.BertForMaskedLM)
    trace = model.trace("Paris is the [MASK] of [MASK].")
    assert [(one.of, one.position) for one in trace.predictions] == [("token", 4), ("token", 6)]
    chances = torch.softmax(output(model, trace).logits[0], dim=-1)
    for one in trace.predictions:
        best = chances[one.position].topk(5)
        assert [choice.id for choice in one.choices] == best.indices.tolist()
        assert [choice.probability for choice in one.choices] == pytest.approx(best.values.tolist())
        assert one.choices[0].text == model.tokenizer.convert_ids_to_tokens(one.choices[0].id).removeprefix("##")
    assert model.trace("no mask").predictions == []


def test_a_classifier_has_its_labels(of_class) -> None:
    labels = {0: "bad", 1: "good", 2: "neither"}
    model = of_class(tf.BertForSequenceClassification, id2label=labels)
    trace = model.trace("a film", pair="a book")
    (one,) = trace.predictions
    expected = torch.softmax(output(model, trace).logits[0], dim=-1)
    assert one.of == "label" and one.exclusive
    assert {choice.text: choice.probability for choice in one.choices} == pytest.approx(
        {name: float(expected[i]) for i, name in labels.items()}
    )
    assert [choice.probability for choice in one.choices] == sorted(expected.tolist(), reverse=True)
    assert trace.next_tokens is None


def test_next_sentence_prediction_needs_a_second_sentence(of_class) -> None:
    for cls in (tf.BertForNextSentencePrediction, tf.BertForPreTraining):
        model = of_class(cls)
        assert model.trace("Paris is large.").predictions == []
        (one,) = model.trace("Paris is large.", pair="So it is.").predictions
        assert {choice.text for choice in one.choices} == {
            "the second sentence follows",
            "the second sentence does not follow",
        }


def test_multi_label_probabilities_are_independent_and_regression_has_none(of_class) -> None:
    several = of_class(tf.BertForSequenceClassification, num_labels=2, problem_type="multi_label_classification")
    trace = several.trace("a film")
    (one,) = trace.predictions
    expected = torch.sigmoid(output(several, trace).logits[0])
    assert not one.exclusive
    assert {choice.id: choice.probability for choice in one.choices} == pytest.approx(
        dict(enumerate(expected.tolist()))
    )
    number = of_class(tf.BertForSequenceClassification, num_labels=1, id2label={0: "score"})
    trace = number.trace("a film")
    ((choice,),) = [one.choices for one in trace.predictions]
    assert choice.probability is None and choice.value == pytest.approx(float(output(number, trace).logits))


def test_tokens_have_labels_and_a_discriminator_says_which_were_replaced(of_class) -> None:
    tagger = of_class(tf.BertForTokenClassification, id2label={0: "O", 1: "B-PER", 2: "I-PER"})
    trace = tagger.trace("Ada Lovelace wrote")
    assert [one.position for one in trace.predictions] == [
        i for i, token in enumerate(trace.tokens) if not token.special
    ]
    expected = output(tagger, trace).logits[0].argmax(-1)
    assert [one.choices[0].id for one in trace.predictions] == [
        int(expected[one.position]) for one in trace.predictions
    ]

    judge = of_class(tf.ElectraForPreTraining, tf.ElectraConfig, embedding_size=48)
    trace = judge.trace("the cat sat")
    chance = torch.sigmoid(output(judge, trace).logits[0])
    for one in trace.predictions:
        named = {choice.text: choice.probability for choice in one.choices}
        assert named["replaced"] == pytest.approx(float(chance[one.position]))


def test_an_answer_comes_from_the_second_sentence(of_class, tmp_path) -> None:
    model = of_class(tf.BertForQuestionAnswering)
    trace = model.trace("who sat?", pair="the cat sat unbelievably still")
    start, end, answer = trace.predictions
    assert [one.of for one in trace.predictions] == ["start", "end", "answer"]
    out = output(model, trace)
    first, last = torch.softmax(out.start_logits[0], -1), torch.softmax(out.end_logits[0], -1)
    assert start.choices[0].id == int(first.argmax()) and end.choices[0].id == int(last.argmax())
    inside = [i for i, token in enumerate(trace.tokens) if token.sentence == "B" and not token.special]
    best = max(float(first[a] * last[b]) for a in inside for b in inside if a <= b)
    choice = answer.choices[0]
    assert choice.probability == pytest.approx(best)
    assert choice.id in inside and choice.last in inside
    whole = [choice for choice in answer.choices if "unbelievably" in choice.text]
    assert all("##" not in choice.text for choice in whole)
    trace.save(tmp_path / "answer.trace")
    assert attnscope.open(tmp_path / "answer.trace").predictions == trace.predictions


def test_a_discriminator_is_loaded_with_its_head(of_class, tmp_path) -> None:
    judge = of_class(tf.ElectraForPreTraining, tf.ElectraConfig, embedding_size=48)
    judge.hf_model.save_pretrained(tmp_path)
    judge.tokenizer.save_pretrained(tmp_path)
    loaded = attnscope.load(tmp_path)
    assert isinstance(loaded.hf_model, tf.ElectraForPreTraining)
    assert loaded.trace("the cat").predictions == judge.trace("the cat").predictions
