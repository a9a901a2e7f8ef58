"""BertViz's calls: the same signatures and meaning, errors in sentences, and numbers that are the model's own."""

from __future__ import annotations

import copy
import inspect
import io
from contextlib import redirect_stdout
from types import MappingProxyType

import numpy as np
import pytest
import torch
from helpers.random_traces import uniform_weights
from helpers.tiny_models import build

import attnscope
from attnscope.bertviz import head_view, model_view, neuron_view
from attnscope.bertviz.neuron_view import get_attention

TOKENS = ["a", "b", "c", "d"]
ATTENTION = [uniform_weights(1, 2, 4, 4)] * 3
APART = {
    "encoder_attention": [uniform_weights(1, 4, 4, 4)] * 2,
    "decoder_attention": [uniform_weights(1, 3, 2, 2)] * 3,
    "cross_attention": [uniform_weights(1, 2, 2, 4)] * 3,
    "encoder_tokens": TOKENS,
    "decoder_tokens": ["x", "y"],
}


@pytest.mark.parametrize(
    ("function", "signature"),
    [
        (
            head_view,
            "attention=None, tokens=None, sentence_b_start=None, prettify_tokens=True, layer=None, heads=None, "
            "encoder_attention=None, decoder_attention=None, cross_attention=None, encoder_tokens=None, decoder_tokens=None, "
            "include_layers=None, html_action='view'",
        ),
        (
            model_view,
            "attention=None, tokens=None, sentence_b_start=None, prettify_tokens=True, display_mode='dark', "
            "encoder_attention=None, decoder_attention=None, cross_attention=None, encoder_tokens=None, decoder_tokens=None, "
            "include_layers=None, include_heads=None, html_action='view'",
        ),
        (
            neuron_view.show,
            "model, model_type, tokenizer, sentence_a, sentence_b=None, display_mode='dark', layer=None, head=None, "
            "html_action='view'",
        ),
        (
            get_attention,
            "model, model_type, tokenizer, sentence_a, sentence_b=None, include_queries_and_keys=False",
        ),
    ],
)
def test_signatures_are_bertvizs(function, signature):
    bare = [one.replace(annotation=inspect.Parameter.empty) for one in inspect.signature(function).parameters.values()]
    assert str(inspect.Signature(bare)) == f"({signature})"


def test_the_imports_of_bertvizs_examples_work():
    from transformers import GPT2Tokenizer

    from attnscope.bertviz.head_view import head_view as from_module
    from attnscope.bertviz.neuron_view import show
    from attnscope.bertviz.transformers_neuron_view import GPT2Tokenizer as Found

    assert from_module is head_view and show is neuron_view.show and Found is GPT2Tokenizer


@pytest.mark.parametrize(
    "attention", [ATTENTION, tuple(ATTENTION), [one.numpy() for one in ATTENTION], torch.stack(ATTENTION)]
)
def test_return_gives_html_as_a_string(attention):
    made = head_view(attention, TOKENS, html_action="return")
    assert isinstance(made.data, str) and made.data.startswith("<!doctype html>")
    assert type(made).__mro__[-2].__name__ == "DisplayObject"
    assert "srcdoc=" in made._repr_html_() and "<script" not in made._repr_html_()


def test_the_same_arguments_give_the_same_page():
    pages = {model_view(ATTENTION, TOKENS, include_heads=[1], html_action="return").data for _ in range(2)}
    assert len(pages) == 1


def test_without_a_notebook_view_says_what_to_do():
    said = io.StringIO()
    with redirect_stdout(said):
        assert head_view(ATTENTION, TOKENS) is None
    assert "pass html_action='return' and write `.data` to an .html file" in said.getvalue()


def test_layers_and_heads_may_differ_between_encoder_and_decoder():
    for view in (head_view, model_view):
        assert isinstance(view(**APART, html_action="return").data, str)
    assert "stack=decoder&amp;layer=2" in head_view(**APART, layer=2, html_action="return").data


def test_weights_that_are_no_distributions_are_shown_as_they_are():
    assert head_view([torch.rand(1, 2, 4, 4)], TOKENS, html_action="return").data


def test_the_page_starts_where_it_is_told():
    data = head_view(
        [uniform_weights(1, 3, 4, 4)] * 6, TOKENS, layer=4, heads=[1, 2], include_layers=[1, 4], html_action="return"
    ).data
    assert "layer=4&amp;heads=1%2C2" in data and "theme=light" in data
    assert "theme=dark" in model_view(ATTENTION, TOKENS, html_action="return").data
    assert "theme=light" in model_view(ATTENTION, TOKENS, display_mode="light", html_action="return").data


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "at least one attention argument"),
        ({"tokens": TOKENS}, "at least one attention argument"),
        ({"attention": ATTENTION}, "'tokens' is required"),
        ({"attention": ATTENTION, "tokens": TOKENS, "encoder_tokens": TOKENS}, "does not go with 'encoder_tokens'"),
        ({"attention": (), "tokens": TOKENS}, "outputs.attentions"),
        ({"attention": (None, None), "tokens": TOKENS}, "outputs.attentions"),
        ({"attention": uniform_weights(1, 4, 8), "tokens": TOKENS}, "outputs.attentions"),
        ({"attention": [uniform_weights(2, 2, 4, 4)], "tokens": TOKENS}, "batch of 2"),
        ({"attention": ATTENTION, "tokens": TOKENS[:3]}, "there are 3 tokens"),
        ({"attention": [-uniform_weights(1, 2, 4, 4)], "tokens": TOKENS}, "lie between 0 and 1"),
        ({"attention": [uniform_weights(1, 2, 4, 4) * float("nan")], "tokens": TOKENS}, "NaN"),
        ({**APART, "encoder_tokens": None}, "`encoder_tokens` are needed"),
        ({**APART, "decoder_tokens": None}, "`decoder_tokens` are needed"),
        ({**APART, "cross_attention": [uniform_weights(1, 2, 4, 2)]}, "2 queries and 4 keys"),
        ({"attention": ATTENTION, "tokens": TOKENS, "include_layers": [3]}, "layers from 0 to 2"),
        ({"attention": ATTENTION, "tokens": TOKENS, "include_layers": []}, "got none"),
        ({"attention": ATTENTION, "tokens": TOKENS, "html_action": "save"}, "'view' or 'return'; got 'save'"),
    ],
)
def test_bad_combinations_are_value_errors_with_a_sentence(arguments, message):
    for view in (head_view, model_view):
        with pytest.raises(ValueError, match=message):
            view(**{"html_action": "return", **arguments})


def test_a_layer_outside_include_layers_is_a_value_error():
    with pytest.raises(ValueError, match=r"Layer 0 is not in include_layers: \[1, 2\]"):
        head_view(ATTENTION, TOKENS, layer=0, include_layers=[1, 2], html_action="return")
    with pytest.raises(ValueError, match="heads from 0 to 1"):
        model_view(ATTENTION, TOKENS, include_heads=[2], html_action="return")
    with pytest.raises(ValueError, match="'dark' or 'light'"):
        model_view(ATTENTION, TOKENS, display_mode="blue", html_action="return")


class Letters:
    """A tokenizer for tiny models: one id a letter."""

    all_special_ids = ()
    added_tokens_decoder = MappingProxyType({})
    sep_token = cls_token = None

    def __call__(self, text, pair=None, **_):
        return {"input_ids": [ord(char) - 87 for char in text + (pair or "")]}

    def convert_ids_to_tokens(self, ident):
        return chr(ident + 87)


@pytest.mark.parametrize("family", ["gpt2", "bert", "llama"])
def test_the_neuron_views_numbers_are_the_models_own(family):
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


def test_a_pair_has_its_parts(minilm: attnscope.Model):
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


def test_the_neuron_view_takes_any_model_and_starts_where_it_is_told(smollm2: attnscope.Model):
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
        ({"sentence_b": 3}, "Sentence B is a text or None"),
    ],
)
def test_what_the_neuron_view_cannot_show_is_a_value_error(minilm: attnscope.Model, arguments, message):
    given = {"model_type": "bert", "sentence_a": "the cat", **arguments}
    with pytest.raises(ValueError, match=message):
        get_attention(minilm.hf_model, given.pop("model_type"), minilm.tokenizer, **given)
    with pytest.raises(ValueError, match=message):
        given = {"model_type": "bert", "sentence_a": "the cat", **arguments}
        neuron_view.show(minilm.hf_model, given.pop("model_type"), minilm.tokenizer, **given, html_action="return")
