"""`head_view` and `model_view` have BertViz's signatures and behavior, and raise clear errors."""

from __future__ import annotations

import inspect
import io
from contextlib import redirect_stdout

import pytest
import torch
from helpers.random_traces import uniform_weights

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
def test_signatures_equal_bertvizs(function, signature):
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
def test_html_action_return_returns_html_as_a_string(attention):
    made = head_view(attention, TOKENS, html_action="return")
    assert isinstance(made.data, str) and made.data.startswith("<!doctype html>")
    assert type(made).__mro__[-2].__name__ == "DisplayObject"
    assert "srcdoc=" in made._repr_html_() and "<script" not in made._repr_html_()


def test_the_same_arguments_produce_the_same_page():
    pages = {model_view(ATTENTION, TOKENS, include_heads=[1], html_action="return").data for _ in range(2)}
    assert len(pages) == 1


def test_outside_a_notebook_view_prints_what_to_do():
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert head_view(ATTENTION, TOKENS) is None
    assert "pass html_action='return' and write `.data` to an .html file" in printed.getvalue()


def test_layers_and_heads_may_differ_between_encoder_and_decoder():
    for view in (head_view, model_view):
        assert isinstance(view(**APART, html_action="return").data, str)
    assert "stack=decoder&amp;layer=2" in head_view(**APART, layer=2, html_action="return").data


def test_rows_that_do_not_sum_to_1_are_accepted():
    assert head_view([torch.rand(1, 2, 4, 4)], TOKENS, html_action="return").data


def test_the_page_starts_at_the_requested_layer_heads_and_theme():
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
        (
            {"attention": ATTENTION, "tokens": TOKENS, "encoder_tokens": TOKENS},
            "cannot be combined with 'encoder_tokens'",
        ),
        ({"attention": (), "tokens": TOKENS}, "outputs.attentions"),
        ({"attention": (None, None), "tokens": TOKENS}, "outputs.attentions"),
        ({"attention": uniform_weights(1, 4, 8), "tokens": TOKENS}, "outputs.attentions"),
        ({"attention": [uniform_weights(2, 2, 4, 4)], "tokens": TOKENS}, "batch of 2"),
        ({"attention": ATTENTION, "tokens": TOKENS[:3]}, "there are 3 tokens"),
        ({"attention": [-uniform_weights(1, 2, 4, 4)], "tokens": TOKENS}, "must lie between 0 and 1"),
        ({"attention": [uniform_weights(1, 2, 4, 4) * float("nan")], "tokens": TOKENS}, "NaN"),
        ({**APART, "encoder_tokens": None}, "requires `encoder_tokens`"),
        ({**APART, "decoder_tokens": None}, "requires `decoder_tokens`"),
        ({**APART, "cross_attention": [uniform_weights(1, 2, 4, 2)]}, "2 queries and 4 keys"),
        ({"attention": ATTENTION, "tokens": TOKENS, "include_layers": [3]}, "layers from 0 to 2"),
        ({"attention": ATTENTION, "tokens": TOKENS, "include_layers": []}, "got none"),
        ({"attention": ATTENTION, "tokens": TOKENS, "html_action": "save"}, "'view' or 'return'; got 'save'"),
    ],
)
def test_invalid_arguments_are_value_errors(arguments, message):
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
