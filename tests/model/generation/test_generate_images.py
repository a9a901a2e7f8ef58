"""What new tokens look at in an image: tokens and attention of every step equal those of transformers' own eager `generate`."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_vision_models as tiny

from attnscope import Model, Trace

NEW = 5


def _sharper(model: Any) -> Any:
    """The model with weights large enough that heads and tokens differ."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in name:
                parameter.mul_(4.0)
    return model.eval()


def _pixels() -> torch.Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(5)) * 2 - 1


def _with_text(*before: int, **more: Any) -> dict[str, Any]:
    ids = torch.tensor([[*before, 7, 8, 9]])
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": _pixels(), **more}


def _captioner(decoder: str) -> Any:
    small = {"vocab_size": 99, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    if decoder == "gpt2":
        config: Any = tf.GPT2Config(**small, n_embd=32, n_layer=2, n_head=4, n_positions=64, add_cross_attention=True)
    else:
        config = tf.TrOCRConfig(**small, d_model=32, decoder_layers=2, decoder_attention_heads=4, decoder_ffn_dim=48)
    model = tf.VisionEncoderDecoderModel(
        tf.VisionEncoderDecoderConfig.from_encoder_decoder_configs(tf.ViTConfig(**tiny.VISION), config)
    )
    for one in (model.config, model.generation_config):
        one.decoder_start_token_id, one.pad_token_id, one.eos_token_id = 1, 0, 2
    return model


def _instructblip() -> Any:
    text = tf.OPTConfig(
        vocab_size=99, hidden_size=32, ffn_dim=48, num_hidden_layers=2, num_attention_heads=4, word_embed_proj_dim=32
    )
    return tf.InstructBlipForConditionalGeneration(
        tf.InstructBlipConfig(
            vision_config=tiny.VISION,
            qformer_config={**tiny.SMALL, "encoder_hidden_size": 32, "vocab_size": 99},
            text_config=text,
            num_query_tokens=4,
            image_token_index=98,
        )
    )


def _idefics3() -> Any:
    return tf.Idefics3ForConditionalGeneration(
        tf.Idefics3Config(
            vision_config=tiny.VISION,
            text_config=tf.LlamaConfig(**tiny.TEXT),
            image_token_id=98,
            scale_factor=2,
            pad_token_id=0,
        )
    )


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], dict[str, Any]]]] = {
    "llava": (tiny.llava, lambda: _with_text(1, *[98] * 16)),
    "blip2": (tiny.blip2, lambda: _with_text(*[98] * 4)),
    "instructblip": (
        _instructblip,
        lambda: _with_text(
            *[98] * 4, qformer_input_ids=torch.tensor([[3, 4]]), qformer_attention_mask=torch.ones(1, 2)
        ),
    ),
    "idefics3": (_idefics3, lambda: _with_text(1, *[98] * 4) | {"pixel_values": _pixels()[None]}),
    "vit-gpt2": (lambda: _captioner("gpt2"), lambda: {"pixel_values": _pixels()}),
    "trocr": (lambda: _captioner("trocr"), lambda: {"pixel_values": _pixels()}),
    **{
        name: (build, lambda: tiny.text_with_images((56, 56), (28, 56))[0])
        for name, build in tiny.NATIVE_RESOLUTION.items()
    },
}


def _built(name: str) -> tuple[Any, dict[str, Any]]:
    torch.manual_seed(0)
    build, inputs = MODELS[name]
    return _sharper(build()), inputs()


def _own(model: Any, inputs: dict[str, Any], new: int = NEW, **options: Any) -> Any:
    """Transformers' own greedy, eager generation, with the attention of every step."""
    eager = copy.deepcopy(model)
    eager.set_attn_implementation("eager")
    with torch.no_grad():
        return eager.generate(
            **inputs,
            do_sample=False,
            num_beams=1,
            max_new_tokens=new,
            output_attentions=True,
            output_logits=True,
            return_dict_in_generate=True,
            **options,
        )


def _assert_steps(trace: Trace, stack: str, steps: Any, *, rows_of_prompt: int) -> None:
    """Assert that the rows of a stack are those that the steps report, each [layer][1, head, query, key]."""
    first = 0
    for step in steps:
        queries, keys = step[0].shape[-2:]
        assert queries == (rows_of_prompt if first == 0 else 1)
        for layer, weights in enumerate(step):
            for head in range(weights.shape[1]):
                mine = trace.attention(layer, head, stack)[first : first + queries]
                torch.testing.assert_close(mine[:, :keys], weights[0, head].float(), atol=1e-5, rtol=0)
                assert not mine[:, keys:].any()
        first += queries


@pytest.mark.parametrize("name", MODELS)
def test_every_step_attends_as_in_the_models_own_generation(name: str) -> None:
    model, inputs = _built(name)
    expected = _own(model, inputs)
    made = Model(model).generate(inputs, NEW)
    trace = made.trace
    reported = name == "trocr"  # its decoder computes attention in its own code, so one pass follows
    assert trace.certificate.ok is not reported
    assert any("after it was generated" in warning for warning in trace.warnings) is reported
    ids = [token.id for token in trace.tokens]
    assert ids == expected.sequences[0].tolist()
    for step, logits in zip(made.steps, expected.logits, strict=True):
        chances = torch.softmax(logits[0].float(), dim=-1)
        assert step.token.id == int(chances.argmax())
        assert step.probability == pytest.approx(float(chances.max()), abs=1e-5)
    assert trace.images
    if "decoder_attentions" in expected:
        _assert_steps(trace, "decoder", expected.decoder_attentions, rows_of_prompt=1)
        if not reported:
            _assert_steps(trace, "cross", expected.cross_attentions, rows_of_prompt=1)
        for layer, weights in enumerate(expected.encoder_attentions):
            torch.testing.assert_close(trace.attention(layer, 1, "encoder"), weights[0, 1], atol=1e-5, rtol=0)
    else:
        prompt = inputs["input_ids"].shape[1]
        assert len(ids) == prompt + len(made.tokens)
        _assert_steps(trace, "decoder", expected.attentions, rows_of_prompt=prompt)


@pytest.mark.parametrize("name", ["llava", "qwen2_vl", "vit-gpt2"])
def test_the_trace_of_a_generation_shows_the_patches_of_the_image(name: str) -> None:
    model, inputs = _built(name)
    wrapped = Model(model)
    made, alone = wrapped.generate(inputs, NEW).trace, wrapped.trace(inputs)
    prompt = inputs["input_ids"].shape[1] if "input_ids" in inputs else 0
    if not prompt:
        assert made.sides["source"] == alone.sides["source"]
        assert sum(token.box is not None for token in made.sides["source"]) == 16
        return
    assert made.tokens[:prompt] == alone.tokens
    assert made.sides["image"] == alone.sides["image"]
    assert any(token.box is not None for token in made.tokens)
    assert [image.data for image in made.images] == [image.data for image in alone.images]
    vision = made.stacks["vision"]
    for head in range(vision.layer(1).heads):
        assert torch.equal(made.attention(1, head, "vision"), alone.attention(1, head, "vision"))


@pytest.mark.parametrize("name", ["llava", "blip2", "qwen2_vl", "vit-gpt2"])
def test_the_trace_of_a_generation_can_be_run_again(name: str) -> None:
    model, inputs = _built(name)
    wrapped = Model(model)
    trace = wrapped.generate(inputs, NEW).trace
    assert wrapped.check(trace).ok
    states = wrapped.states(trace)
    with torch.no_grad():
        logits = model(**trace.inputs).logits[0]
    torch.testing.assert_close(states.logits(states.layers), logits, atol=1e-4, rtol=0)
    assert trace.logits is not None
    torch.testing.assert_close(trace.logits, logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", ["llava", "qwen2_vl", "vit-gpt2"])
def test_without_a_cache_every_step_reads_the_image_again(name: str) -> None:
    model, inputs = _built(name)
    expected = _own(model, inputs, use_cache=False)
    with_cache = Model(model).generate(inputs, NEW).trace
    model.generation_config.use_cache = False
    made = Model(model).generate(inputs, NEW)
    assert [token.id for token in made.trace.tokens] == expected.sequences[0].tolist()
    assert made.trace.certificate.ok
    for stack, shape in with_cache.stacks.items():
        for layer in range(shape.layers):
            mine, theirs = (one.attention(layer, 2, stack) for one in (made.trace, with_cache))
            torch.testing.assert_close(mine, theirs, atol=1e-5, rtol=0)
    last = expected.attentions[-1] if "input_ids" in inputs else expected.decoder_attentions[-1]
    for layer, weights in enumerate(last):
        mine = made.trace.attention(layer, 0, "decoder")[:-1, :-1]
        torch.testing.assert_close(mine, weights[0, 0], atol=1e-5, rtol=0)
