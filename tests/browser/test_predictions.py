"""Predictions of a model in the page: in the status line, and below the weights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import gallery
import pytest
import torch
import transformers as tf
from helpers import tiny_models
from playwright.sync_api import Page, expect

import attnscope
from attnscope.session import Session, StoredTrace

TEXT = "the bridge over the river is gone"
LABELS = ["contradiction of the premise by the hypothesis", "neither follows from the other nor contradicts it"]
SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32}


def trace_of(kind: Any, labels: list[str]) -> attnscope.Trace:
    torch.manual_seed(0)
    config = tf.BertConfig(vocab_size=tiny_models.VOCABULARY, **SIZES, id2label=dict(enumerate(labels)))
    return attnscope.Model(kind(config).eval(), tiny_models.words_tokenizer(TEXT)).trace(TEXT)


@pytest.fixture(scope="module")
def traces() -> dict[str, attnscope.Trace]:
    return {
        "classifier": trace_of(tf.BertForSequenceClassification, LABELS),
        "tagger": trace_of(tf.BertForTokenClassification, ["O", "B-PLACE", "I-PLACE"]),
    }


@pytest.fixture(scope="module")
def served(traces: dict[str, attnscope.Trace]) -> Iterator[str]:
    with gallery.served(Session(traces=[StoredTrace.without_model(trace) for trace in traces.values()])) as url:
        yield url


def test_long_labels_are_shown_in_full_and_leave_room_for_the_readout(
    page: Page, served: str, traces: dict[str, attnscope.Trace]
) -> None:
    page.goto(f"{served}#trace={traces['classifier'].id}&side=weights")
    page.get_by_test_id("query-1").click()
    readout = page.get_by_test_id("readout")
    expect(readout).to_contain_text("bridge →")
    expect(page.get_by_test_id("guesses")).to_contain_text("label:")
    assert readout.evaluate("line => line.scrollWidth <= line.clientWidth + 1")
    for label in LABELS:
        word = page.get_by_test_id("predicted").get_by_text(label)
        assert word.evaluate("word => word.parentElement.scrollHeight <= word.parentElement.clientHeight + 1")


def test_pointing_at_a_token_shows_only_its_label(page: Page, served: str, traces: dict[str, attnscope.Trace]) -> None:
    trace = traces["tagger"]
    page.goto(f"{served}#trace={trace.id}&side=weights")
    lists = page.get_by_test_id("predicted")
    expect(page.get_by_role("region", name="Model predictions")).to_have_text(re.compile("^7 tokens have labels"))
    expect(lists).to_have_count(0)
    page.get_by_test_id("query-4").hover()
    expect(lists).to_have_count(1)
    expect(lists).to_contain_text("Label of river 4")
    (own,) = (one for one in trace.predictions if one.position == 4)
    expect(lists.get_by_role("row").first).to_contain_text(own.choices[0].text)
    expect(page.get_by_test_id("guesses")).to_contain_text(
        re.compile(rf"river 4:\s*{own.choices[0].text}\s*{own.choices[0].probability:.2f}")
    )
