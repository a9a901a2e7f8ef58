"""The neuron view returns the model's own numbers and raises clear errors for unsupported input."""

from __future__ import annotations

import copy
from types import MappingProxyType

import numpy as np
import pytest
import torch
from helpers.tiny_models import build

import attnscope
from attnscope.bertviz import neuron_view
from attnscope.bertviz.neuron_view import get_attention


class Letters:
    """A tokenizer for tiny models: one id per letter."""

    all_special_ids = ()
    added_tokens_decoder = MappingProxyType({})
    sep_token = cls_token = None

    def __call__(self, text, pair=None, **_):
        return {"input_ids": [ord(char) - 87 for char in text + (pair or "")]}

    def convert_ids_to_tokens(self, ident):
        return chr(ident + 87)


@pytest.mark.parametrize("family", ["gpt2", "bert", "llama"])
def test_get_attention_equals_the_models_eager_attention(family):
    model = build(family)
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    found = get_attention(model, family, Letters(), "thequickfox", include_queries_and_keys=True)
    with torch.no_grad():
        inputs = torch.tensor([Letters()("thequickfox")["input_ids"]])
        expected = eager(inputs, output_attentions=True).attentions
    assert list(found) == ["all"] and found["all"]["left_text"] == found["all"]["right_text"] == list("thequickfox")
    assert len(found["all"]["attn"]) == len(expected)
    for layer, weights in enumerate(expected):
        given = torch.tensor(found["all"]["attn"][layer])
        torch.testing.assert_close(given, weights[0], atol=1e-5, rtol=0)
        q, k = (torch.tensor(found["all"][name][layer]) for name in ("queries", "keys"))
        assert q.shape == k.shape == (4, 11, 8)
        scores = q @ k.mT / np.sqrt(8)
        if family != "bert":
            scores = scores.masked_fill(torch.ones(11, 11).triu(1).bool(), -torch.inf)
        torch.testing.assert_close(scores.softmax(-1), given, atol=1e-5, rtol=0)
    assert not model.training and model.config._attn_implementation != "eager"


def test_a_sentence_pair_has_all_four_parts(minilm: attnscope.Model):
    found = get_attention(minilm.hf_model, "bert", minilm.tokenizer, "the cat", "a mat", include_queries_and_keys=True)
    assert set(found) == {"all", "aa", "ab", "ba", "bb"}
    left, right = ["[CLS]", "the", "cat", "[SEP]"], ["a", "mat", "[SEP]"]
    assert (found["ab"]["left_text"], found["ab"]["right_text"]) == (left, right)
    assert (found["ba"]["left_text"], found["ba"]["right_text"]) == (right, left)
    whole = np.array(found["all"]["attn"])
    assert whole.shape == (6, 12, 7, 7)
    for name, (rows, columns) in {"aa": ("a", "a"), "ab": ("a", "b"), "ba": ("b", "a"), "bb": ("b", "b")}.items():
        cut = {"a": slice(0, 4), "b": slice(4, 7)}
        assert np.array_equal(whole[:, :, cut[rows], cut[columns]], np.array(found[name]["attn"]))
        assert np.array_equal(np.array(found["all"]["queries"])[:, :, cut[rows]], np.array(found[name]["queries"]))
        assert np.array_equal(np.array(found["all"]["keys"])[:, :, cut[columns]], np.array(found[name]["keys"]))


def test_the_neuron_view_accepts_any_model_and_starts_at_the_requested_head(smollm2: attnscope.Model):
    made = neuron_view.show(
        smollm2.hf_model, "llama", smollm2.tokenizer, "The fox", layer=3, head=2, html_action="return"
    )
    assert "layer=3&amp;heads=2" in made.data and "theme=dark" in made.data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_type": "t5"}, "Invalid model type: 't5'.*or the model's own, 'bert'"),
        ({"sentence_a": ""}, "Sentence A is required"),
        ({"model_type": "gpt2", "sentence_b": "a mat"}, "does not support sentence pairs"),
        ({"sentence_b": 3}, "Sentence B must be a string or None"),
    ],
)
def test_unsupported_arguments_are_value_errors(minilm: attnscope.Model, arguments, message):
    given = {"model_type": "bert", "sentence_a": "the cat", **arguments}
    with pytest.raises(ValueError, match=message):
        get_attention(minilm.hf_model, given.pop("model_type"), minilm.tokenizer, **given)
    with pytest.raises(ValueError, match=message):
        given = {"model_type": "bert", "sentence_a": "the cat", **arguments}
        neuron_view.show(minilm.hf_model, given.pop("model_type"), minilm.tokenizer, **given, html_action="return")
