"""Generated text equals the model's own, and its attention is that of the run, equal to one pass over the whole text."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers as tf
from helpers import tiny_models

from attnscope import Model, edits
from attnscope.errors import CancelledError, InputError, TooLongError, UnsupportedError
from attnscope.model.generation.result import Step

pytestmark = pytest.mark.core

PROMPT = tiny_models.ids(12)
NEW = 10
TEXT = "The quick, brown fox jumps over the lazy"


def written(hf_model: Any, ids: list[int], new: int = NEW, **options: Any) -> list[int]:
    """The greedy output of plain transformers: prompt and continuation, or everything that the decoder has read."""
    given = torch.tensor([ids])
    with torch.no_grad():
        output = hf_model.generate(
            given, attention_mask=torch.ones_like(given), do_sample=False, num_beams=1, max_new_tokens=new, **options
        )
    return output[0].tolist()


def assert_same_attention(found: Any, expected: Any, within: float = 1e-5) -> None:
    """Compare all weights, scores and logits of two traces; scores and logits relative to the largest one."""
    assert found.stacks == expected.stacks
    for name, stack in expected.stacks.items():
        for layer in range(stack.layers):
            for head in range(stack.layer(layer).heads):
                for part in ("attention", "scores"):
                    mine, theirs = (getattr(trace, part)(layer, head, name) for trace in (found, expected))
                    largest = max(1.0, float(theirs[theirs.isfinite()].abs().max()))
                    torch.testing.assert_close(mine, theirs, atol=within * largest, rtol=0)
    # One pass and its steps multiply matrices of different shapes, so rounding is relative to the largest logit.
    largest = max(1.0, float(expected.logits.abs().max()))
    torch.testing.assert_close(found.logits, expected.logits, atol=1e-5 * largest, rtol=0)


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral", "gemma2", "gpt_oss", "deepseek_v3"])
def test_generation_equals_hf_generate_and_its_steps_form_one_trace(family: str) -> None:
    hf_model = tiny_models.build(family)
    model = Model(hf_model)
    made = model.generate(PROMPT, NEW)
    whole = written(hf_model, PROMPT)
    assert [token.id for token in made.tokens] == whole[len(PROMPT) :]
    assert [token.id for token in made.trace.tokens] == whole
    assert made.trace.certificate.ok
    assert_same_attention(made.trace, model.trace(whole))


def test_sliding_windows_survive_generation() -> None:
    made = Model(tiny_models.build("mistral")).generate(PROMPT, NEW)
    record = made.trace.layer_record(1)
    assert (record.mask.kind, record.mask.window) == ("window", 5)
    assert (made.trace.attention(1, 0, rows=[21])[0] > 0).tolist() == [False] * 17 + [True] * 5


def test_generation_keeps_only_new_rows_of_the_cache() -> None:
    model = Model(tiny_models.build("llama"))
    short, long = model.generate(PROMPT, 1).trace.nbytes, model.generate(PROMPT, 21).trace.nbytes
    assert long / short == pytest.approx((12 + 21) / (12 + 1), rel=0.01)


def encoder_decoder(kind: str) -> Any:
    torch.manual_seed(0)
    common = {"vocab_size": tiny_models.VOCABULARY, "d_model": 32, "eos_token_id": 2, "pad_token_id": 0}
    if kind == "t5":
        config: Any = tf.T5Config(**common, d_kv=8, d_ff=37, num_layers=2, num_heads=4, decoder_start_token_id=0)
        model: Any = tf.T5ForConditionalGeneration(config)
    else:
        sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in
                 (("layers", 2), ("attention_heads", 4), ("ffn_dim", 37))}  # fmt: skip
        config = tf.BartConfig(
            **common,
            **sizes,
            max_position_embeddings=64,
            bos_token_id=1,
            decoder_start_token_id=2,
            forced_eos_token_id=2,
        )
        model = tf.BartForConditionalGeneration(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name and "shared" not in name:
                parameter.mul_(3.0)
    return model.eval()


@pytest.mark.parametrize(("kind", "prefix"), [("t5", None), ("t5", [0, 5, 6]), ("bart", [2, 5, 6])])
def test_an_encoder_decoder_model_has_all_three_stacks_of_its_run(kind: str, prefix: list[int] | None) -> None:
    hf_model = encoder_decoder(kind)
    model = Model(hf_model)
    made = model.generate(PROMPT, NEW, target=prefix)
    options = {} if prefix is None else {"decoder_input_ids": torch.tensor([prefix])}
    assert [token.id for token in made.trace.tokens] == written(hf_model, PROMPT, **options)
    assert made.stopped == ("end" if kind == "bart" else "length")
    again = model.trace(PROMPT, target=[token.id for token in made.trace.tokens])
    assert list(made.trace.stacks) == ["encoder", "decoder", "cross"]
    assert_same_attention(made.trace, again)


def test_ready_inputs_with_padding_stay_as_they_are() -> None:
    hf_model = tiny_models.build("llama")
    ids, mask = torch.tensor([[0, 0, *PROMPT]]), torch.tensor([[0, 0, *[1] * 12]])
    made = Model(hf_model).generate({"input_ids": ids, "attention_mask": mask}, NEW)
    with torch.no_grad():
        plain = hf_model.generate(ids, attention_mask=mask, do_sample=False, max_new_tokens=NEW)[0].tolist()
    assert [token.id for token in made.trace.tokens] == plain
    assert made.trace.attention(0, 0)[3:, :2].abs().max() == 0


def test_attention_outside_the_interface_is_traced_after_generation() -> None:
    hf_model = tiny_models.build("bloom")
    made = Model(hf_model).generate(PROMPT, 4)
    assert [token.id for token in made.trace.tokens] == written(hf_model, PROMPT, 4)
    assert "after it was generated" in made.trace.warnings[-1]


def test_smollm2_continues_the_fox_step_by_step(smollm2: Model) -> None:
    told: list[Step] = []
    made = smollm2.generate(TEXT, 8, on_token=told.append)
    ids = smollm2.tokenizer(TEXT)["input_ids"]
    whole = written(smollm2.hf_model, ids, 8)
    assert [token.id for token in made.trace.tokens] == whole
    assert made.text == smollm2.tokenizer.decode(whole[len(ids) :])
    assert made.stopped == "length"
    assert tuple(told) == made.steps
    expected = smollm2.trace(whole)
    assert_same_attention(made.trace, expected, within=5e-5)
    assert expected.logits is not None
    chances = torch.softmax(expected.logits[len(ids) - 1], dim=-1)
    assert made.steps[0].probability == pytest.approx(float(chances.max()), abs=1e-4)
    assert made.steps[0].rank == 1
    assert [token.id for token, _ in made.steps[0].top] == chances.topk(5).indices.tolist()
    assert made.trace.provenance["generated"]["prompt"] == len(ids)
    assert made.trace.rotary(0) == expected.rotary(0)


def test_a_seed_gives_the_same_text_and_leaves_other_random_numbers_alone(smollm2: Model) -> None:
    state = torch.get_rng_state()
    first = smollm2.generate(TEXT, 6, temperature=1.5, top_p=0.9, seed=3)
    again = smollm2.generate(TEXT, 6, temperature=1.5, top_p=0.9, seed=3)
    assert torch.equal(state, torch.get_rng_state())
    assert first.text == again.text
    assert first.trace.id == again.trace.id
    drawn = Model(tiny_models.build("gpt2"))
    texts = {drawn.generate(PROMPT, 6, seed=seed).text for seed in range(4)}
    assert len(texts) == 4
    assert drawn.generate(PROMPT, 6, top_k=1, seed=5).text == drawn.generate(PROMPT, 6).text


def test_sampling_follows_the_models_probabilities() -> None:
    model = Model(tiny_models.build("llama"))
    greedy = model.generate(PROMPT, 1).steps[0]
    draws = [model.generate(PROMPT, 1, top_k=3, seed=seed).tokens[0].id for seed in range(24)]
    assert set(draws) == {token.id for token, _ in greedy.top[:3]}


def test_it_stops_at_a_stop_string_and_at_the_end_of_the_text(smollm2: Model) -> None:
    made = smollm2.generate(TEXT, 20, stop=".")
    assert (made.stopped, made.text) == ("stop", " dog.")
    model = Model(tiny_models.build("gpt2"))
    second = model.generate(PROMPT, 2).tokens[1].id
    ending = tiny_models.build("gpt2")
    ending.generation_config.eos_token_id = second
    ended = Model(ending).generate(PROMPT, NEW)
    assert ended.stopped == "end"
    assert len(ended.tokens) <= 2
    assert [token.id for token in ended.trace.tokens] == [*PROMPT, *(token.id for token in ended.tokens)]


def test_generation_leaves_the_model_unchanged(smollm2: Model) -> None:
    before = smollm2.hf_model.generation_config.to_dict(), smollm2.hf_model.config.to_dict(), smollm2.hf_model.training
    smollm2.generate(TEXT, 1, seed=1)
    after = smollm2.hf_model.generation_config.to_dict(), smollm2.hf_model.config.to_dict(), smollm2.hf_model.training
    assert before == after


class _After:
    def __init__(self, calls: int) -> None:
        self._left = calls

    def layer(self, done: int, total: int) -> None:
        pass

    def cancelled(self) -> bool:
        self._left -= 1
        return self._left < 0


def test_an_observer_can_cancel_generation_between_layers() -> None:
    seen: list[Step] = []
    with pytest.raises(CancelledError):
        Model(tiny_models.build("llama")).generate(PROMPT, NEW, on_token=seen.append, observer=_After(8))
    assert len(seen) == 2


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"max_new_tokens": 0}, "at least 1"),
        ({"temperature": -1.0}, "at least 0"),
        ({"top_k": 0}, "at least 1"),
        ({"top_p": 1.5}, "at most 1"),
        ({"seed": -1}, "whole number"),
        ({"max_new_tokens": 2.0}, "at least 1"),
        ({"temperature": "1"}, "at least 0"),
        ({"temperature": True}, "at least 0"),
        ({"top_k": True}, "at least 1"),
        ({"top_p": [0.5]}, "at most 1"),
        ({"temperature": 0, "seed": True}, "whole number"),
        ({"stop": [""]}, "must be a non-empty string"),
        ({"stop": None}, "must be a non-empty string"),
        ({"target": [1]}, "no target side"),
    ],
)
def test_invalid_settings_raise_input_errors(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Model(tiny_models.build("gpt2")).generate(PROMPT, **options)


def test_settings_may_be_numpy_numbers_and_temperatures_near_zero_are_greedy() -> None:
    model = Model(tiny_models.build("gpt2"))
    drawn = model.generate(PROMPT, np.int64(2), temperature=1e-40, top_k=np.int64(50), seed=np.int64(3))
    assert drawn.tokens == model.generate(PROMPT, 2).tokens


def test_models_that_cannot_generate_and_texts_that_are_too_long_raise_before_the_run() -> None:
    with pytest.raises(UnsupportedError, match="cannot generate text"):
        Model(tiny_models.build("bert")).generate(PROMPT)
    with pytest.raises(TooLongError, match="64 positions"):
        Model(tiny_models.build("gpt2")).generate(PROMPT, 60)


def edits_of(family: str) -> list[edits.Edit]:
    """One edit of each kind, some at positions that exist only once the text is generated."""
    dims = 0 if family == "gpt2" else (0, tiny_models.build(family).config.hidden_size // 8)
    return [
        edits.ScaleNeuron(0, 1, dims, 3.0, vector="k"),
        edits.ScaleHead(1, 2, 0.0),
        edits.CutEdge(1, 0, query=17, key=16),
        edits.SetAttention(2, 1, query=15, key=14, weight=0.7),
        edits.AddVector(0, 14, [2.0] * 32),
    ]


@pytest.mark.parametrize("family", ["gpt2", "llama", "mistral"])
def test_edits_in_every_step_equal_edits_in_one_pass(family: str) -> None:
    model, changes = Model(tiny_models.build(family)), edits_of(family)
    made = model.generate(PROMPT, NEW, changes)
    ids = list(PROMPT)
    for _ in range(NEW):  # without a cache, token by token
        there = [one for one in changes if max(getattr(one, "query", 0), getattr(one, "position", 0) or 0) < len(ids)]
        following = model.trace(ids, edits=there).next_tokens
        assert following is not None
        ids.append(following[0][1])
    assert [token.id for token in made.trace.tokens] == ids
    assert made.trace.certificate.ok
    assert made.trace.provenance["edits"] == [one.as_json() for one in changes]
    assert_same_attention(made.trace, model.trace(ids, edits=changes))
    assert made.trace.attention(1, 0)[17, 16] == 0
    assert float(made.trace.attention(2, 1)[15, 14]) == pytest.approx(0.7, abs=1e-6)


def test_an_edit_beyond_the_last_position_raises_before_the_run() -> None:
    with pytest.raises(InputError, match="40"):
        Model(tiny_models.build("llama")).generate(PROMPT, 4, [edits.CutEdge(1, 0, query=40, key=3)])
