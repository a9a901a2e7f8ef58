"""The attention that `generate` returns step by step becomes the attention of one pass over the whole text."""

from __future__ import annotations

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope.bertviz import head_view
from attnscope.errors import InputError

pytestmark = pytest.mark.core


def _generated(family: str, ids: torch.Tensor, **options):
    model = tiny_models.build(family)
    model.set_attn_implementation("eager")
    options = {"max_new_tokens": 5, "min_new_tokens": 5, "do_sample": False, **options}
    return model, model.generate(ids, output_attentions=True, return_dict_in_generate=True, **options)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_steps_are_joined_into_the_attention_of_one_pass(family: str) -> None:
    model, found = _generated(family, torch.tensor([tiny_models.ids(6)]))
    with torch.no_grad():
        expected = model(found.sequences[:, :-1], output_attentions=True).attentions
    texts = [str(one) for one in found.sequences[0].tolist()]
    whole = attnscope.Trace.from_attention(found.attentions, texts)
    assert [token.text for token in whole.tokens] == texts[:-1]
    assert any("last generated token was dropped" in warning for warning in whole.warnings)
    without = attnscope.Trace.from_attention(found.attentions, texts[:-1])
    assert not any("dropped" in warning for warning in without.warnings)
    for layer, weights in enumerate(expected):
        for head in range(4):
            torch.testing.assert_close(whole.attention(layer, head), weights[0, head], atol=1e-5, rtol=0)
            assert torch.equal(whole.attention(layer, head), without.attention(layer, head))
    assert list(whole.stacks) == ["decoder"]
    assert "".join(texts[0]) in head_view(found.attentions, texts, html_action="return").data


def test_the_steps_of_an_encoder_decoder_model_become_three_stacks() -> None:
    source = torch.tensor([tiny_models.ids(6)])
    model, found = _generated("bart", source, num_beams=1)
    with torch.no_grad():
        expected = model(source, decoder_input_ids=found.sequences[:, :-1], output_attentions=True)
    trace = attnscope.Trace.from_attention(
        encoder_attentions=found.encoder_attentions,
        decoder_attentions=found.decoder_attentions,
        cross_attentions=found.cross_attentions,
        encoder_tokens=[str(one) for one in source[0].tolist()],
        decoder_tokens=[str(one) for one in found.sequences[0].tolist()],
    )
    for stack in ("encoder", "decoder", "cross"):
        for layer, weights in enumerate(getattr(expected, f"{stack}_attentions")):
            torch.testing.assert_close(trace.attention(layer, 1, stack), weights[0, 1], atol=1e-5, rtol=0)


def test_steps_that_cannot_be_joined_exactly_name_generate() -> None:
    ids = torch.tensor([tiny_models.ids(6)])
    _, found = _generated("gpt2", ids, num_beams=2)
    tokens = [str(one) for one in found.sequences[0].tolist()]
    with pytest.raises(InputError, match=r"2 sequences.*\.generate`"):
        attnscope.Trace.from_attention(found.attentions, tokens)
    _, found = _generated("mistral", ids)  # its cache holds the last 5 tokens
    with pytest.raises(InputError, match=r"step 1, layer 0 .* expected \[1, 4, 1, 7\].*\.generate`"):
        attnscope.Trace.from_attention(found.attentions, tokens)
    with pytest.raises(InputError, match="there are 3 tokens"):
        attnscope.Trace.from_attention(_generated("gpt2", ids)[1].attentions, tokens[:3])
