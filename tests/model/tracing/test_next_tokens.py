"""The next token of models that write although their attention is bidirectional, compared with their own logits."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_models, tiny_vision_models

from attnscope import Model, edits
from attnscope.errors import InputError

_COMMON: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_XLM = {"vocab_size": 99, "emb_dim": 32, "n_layers": 2, "n_heads": 4, "mask_token_id": 5, "pad_index": 0}
_NEW = 4


def _prefix_vlm() -> Any:
    vision = tf.SiglipVisionConfig(**tiny_vision_models.VISION, projection_dim=32)
    text = tf.GemmaConfig(**_COMMON, num_key_value_heads=2, head_dim=8)
    return tf.PaliGemmaForConditionalGeneration(
        tf.PaliGemmaConfig(vision_config=vision, text_config=text, image_token_id=98, projection_dim=32, hidden_size=32)
    )


def _gemma3() -> Any:
    text = tf.Gemma3TextConfig(
        **_COMMON,
        num_key_value_heads=2,
        head_dim=8,
        sliding_window=6,
        layer_types=["sliding_attention", "full_attention"],
    )
    return tf.Gemma3ForConditionalGeneration(
        tf.Gemma3Config(
            vision_config=tf.SiglipVisionConfig(**tiny_vision_models.VISION),
            text_config=text,
            mm_tokens_per_image=4,
            image_token_id=98,
            image_token_index=98,
        )
    )


def _cpmant() -> Any:
    sizes = {"num_attention_heads": 4, "dim_head": 8, "dim_ff": 48, "num_hidden_layers": 2, "segment_types": 32}
    return tf.CpmAntForCausalLM(tf.CpmAntConfig(vocab_size=99, hidden_size=32, **sizes))


def _image_inputs(before: int, *, types: int | None = None) -> dict[str, torch.Tensor]:
    ids = torch.tensor([[*[98] * before, 1, 7, 8, 9]])
    pixels = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(2)) * 2 - 1
    kinds = (ids == 98).long() if types is None else torch.full_like(ids, types)
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels, "token_type_ids": kinds}


def _text() -> dict[str, torch.Tensor]:
    return {"input_ids": torch.tensor([tiny_models.ids(7)])}


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], dict[str, torch.Tensor]]]] = {
    "paligemma": (_prefix_vlm, lambda: _image_inputs(16, types=0)),
    "gemma3": (_gemma3, lambda: _image_inputs(4)),
    "bert": (lambda: tf.BertLMHeadModel(tf.BertConfig(**_COMMON)), _text),
    "electra": (lambda: tf.ElectraForCausalLM(tf.ElectraConfig(**_COMMON)), _text),
    "roformer": (lambda: tf.RoFormerForCausalLM(tf.RoFormerConfig(**_COMMON)), _text),
    "xlm": (lambda: tf.XLMWithLMHeadModel(tf.XLMConfig(**_XLM)), _text),
    "xlnet": (
        lambda: tf.XLNetLMHeadModel(tf.XLNetConfig(vocab_size=99, d_model=32, n_layer=2, n_head=4, d_inner=48)),
        _text,
    ),
    "cpmant": (_cpmant, _text),
}
STEP_BY_STEP = ("paligemma", "gemma3", "bert", "electra")


def _built(name: str) -> tuple[Any, dict[str, torch.Tensor]]:
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    model = build()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in parameter_name:
                parameter.mul_(6.0)
    return model.eval(), inputs()


def _own(model: Any, inputs: dict[str, torch.Tensor], **options: Any) -> Any:
    with torch.no_grad():
        return model.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=_NEW,
            output_logits=True,
            return_dict_in_generate=True,
            **options,
        )


@pytest.mark.parametrize("name", MODELS)
def test_the_next_token_and_the_generation_are_the_models_own(name: str) -> None:
    hf_model, inputs = _built(name)
    own = _own(hf_model, inputs)
    model = Model(hf_model)
    trace = model.trace(inputs)
    assert trace.next_tokens is not None
    chances = torch.softmax(own.logits[0][0].float(), dim=-1)
    assert [ident for _, ident, _ in trace.next_tokens] == chances.topk(5).indices.tolist()
    assert [chance for _, _, chance in trace.next_tokens] == pytest.approx(chances.topk(5).values.tolist(), abs=1e-5)
    made = model.generate(inputs, _NEW)
    assert [token.id for token in made.trace.tokens] == own.sequences[0].tolist()
    for step, logits in zip(made.steps, own.logits, strict=True):
        assert step.probability == pytest.approx(float(torch.softmax(logits[0].float(), -1).max()), abs=1e-5)


@pytest.mark.parametrize("name", STEP_BY_STEP)
def test_the_steps_of_a_bidirectional_model_are_those_of_its_own_generation(name: str) -> None:
    hf_model, inputs = _built(name)
    eager = copy.deepcopy(hf_model)
    eager.set_attn_implementation("eager")
    own = _own(eager, inputs, output_attentions=True)
    made = Model(hf_model).generate(inputs, _NEW)
    assert made.trace.certificate.ok
    prompt = inputs["input_ids"].shape[1]
    first = own.attentions[0]
    assert first[0][0, :, 0, 1].any()  # the first token attends to the second
    for layer in range(len(first)):
        for head in range(first[layer].shape[1]):
            mine = made.trace.attention(layer, head, "encoder")
            torch.testing.assert_close(mine[:prompt, :prompt], first[layer][0, head], atol=1e-5, rtol=0)
            for step, weights in enumerate(own.attentions[1:]):
                end, keys = prompt + step + 1, weights[layer].shape[-1]  # a window reports its last keys only
                row = mine[end - 1, end - keys : end]
                torch.testing.assert_close(row, weights[layer][0, head, -1], atol=1e-5, rtol=0)


@pytest.mark.parametrize("new", [1, _NEW])
def test_new_tokens_of_a_prefix_model_are_causal_when_the_trace_is_run_again(new: int) -> None:
    hf_model, inputs = _built("paligemma")
    model = Model(hf_model)
    trace = model.generate(inputs, new).trace
    assert trace.inputs["token_type_ids"][0].tolist() == [0] * 20 + [1] * new
    again = model.trace(trace.inputs)
    for layer in range(2):
        for head in range(4):
            mine, theirs = (one.attention(layer, head, "encoder") for one in (trace, again))
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)
    assert model.check(trace).ok
    assert model.states(trace).contributions is not None


def test_states_of_a_prefix_model_are_about_its_last_position() -> None:
    hf_model, inputs = _built("paligemma")
    states = Model(hf_model).states(inputs)
    assert states.contributions is not None
    assert states.contributions.position == 19
    with torch.no_grad():
        logits = hf_model(**inputs).logits[0, -1]
    assert states.contributions.answer.id == int(logits.argmax())
    assert states.contributions.total == pytest.approx(float(logits.max()), rel=1e-4)


def test_steps_that_one_pass_cannot_repeat_are_not_run_again() -> None:
    hf_model, inputs = _built("bert")
    model = Model(hf_model)
    trace = model.generate(inputs, _NEW).trace
    with torch.no_grad():
        whole = hf_model(torch.tensor([[token.id for token in trace.tokens]]), output_attentions=False).logits[0, -1]
    assert trace.logits is not None
    assert (trace.logits[-1] - whole).abs().max() > 1e-4  # one pass attends in both directions
    assert any("cannot run it again" in warning for warning in trace.warnings)
    with pytest.raises(InputError, match="no model inputs"):
        model.states(trace)


def test_without_a_cache_a_bidirectional_model_reads_its_text_again() -> None:
    hf_model, inputs = _built("bert")
    hf_model.generation_config.use_cache = False
    own = _own(hf_model, inputs)
    made = Model(hf_model).generate(inputs, _NEW)
    assert [token.id for token in made.trace.tokens] == own.sequences[0].tolist()
    assert any("reads the whole text again" in warning for warning in made.trace.warnings)
    again = Model(hf_model).trace([token.id for token in made.trace.tokens])
    torch.testing.assert_close(made.trace.attention(1, 2), again.attention(1, 2), atol=1e-5, rtol=0)


def test_an_edited_pass_predicts_its_own_next_token() -> None:
    hf_model, inputs = _built("paligemma")
    model = Model(hf_model)
    changes = [edits.ScaleHead(1, head, 0.0, stack="encoder") for head in range(4)]
    trace = model.trace(inputs, edits=changes)
    heads = hf_model.model.language_model.layers[1].self_attn.o_proj
    hook = heads.register_forward_pre_hook(lambda _module, args: (torch.zeros_like(args[0]), *args[1:]))
    with torch.no_grad():
        chances = torch.softmax(hf_model(**inputs).logits[0, -1], dim=-1)
    hook.remove()
    assert trace.next_tokens is not None
    assert trace.next_tokens[0][1:] == (int(chances.argmax()), pytest.approx(float(chances.max()), abs=1e-5))


@pytest.mark.parametrize("build", [lambda: tiny_models.build("bert"), lambda: tiny_models.build("electra")])
def test_a_masked_language_model_writes_nothing(build: Callable[[], Any]) -> None:
    assert Model(build()).trace(tiny_models.ids(6)).next_tokens is None
