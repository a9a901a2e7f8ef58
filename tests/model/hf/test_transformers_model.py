"""What isn't a transformers model is rejected with what to pass instead."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import transformers as tf
from helpers import tiny_models
from torch import nn

import attnscope
from attnscope.errors import InputError

pytestmark = pytest.mark.core


class _Configured(nn.Linear):
    def __init__(self) -> None:
        super().__init__(2, 2)
        self.config = {"n_layer": 3}


def _nested() -> nn.Module:
    return nn.Sequential(nn.Sequential(tiny_models.build("bert")), nn.Linear(2, 2))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, batch_first=True), 1), "Trace.from_attention"),
        (lambda: _Configured(), "got _Configured.*average_attn_weights=False"),
        (lambda: nn.DataParallel(tiny_models.build("gpt2")), r"got DataParallel.*its `\.module`"),
        (_nested, r"its `\.get_submodule\('0\.0'\)`"),
        (lambda: SimpleNamespace(model=tiny_models.build("gpt2"), tokenizer=None), "its `.model` and its `.tokenizer`"),
        (lambda: "gpt2", r"attnscope\.load\('gpt2'\)"),
        (lambda: tf.GPT2Config(), "call `attnscope.load`"),
    ],
    ids=["encoder", "config", "parallel", "nested", "pipeline", "name", "configuration"],
)
def test_the_error_says_what_to_pass(make, message: str) -> None:
    with pytest.raises(InputError, match=f"`hf_model` must be a transformers model.*{message}"):
        attnscope.Model(make())
