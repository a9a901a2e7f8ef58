"""A trace equals the model's own eager attention, for every model family."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope.errors import UnsupportedError

pytestmark = pytest.mark.core

CLOSE = 1e-5


def eager(model, **inputs):
    """The output of transformers' own eager attention, on a plain deep copy."""
    reference = copy.deepcopy(model)
    reference.config._attn_implementation = "eager"
    with torch.no_grad():
        return reference(**inputs, output_attentions=True)


def largest_difference(trace, attentions) -> float:
    present = [i for i, shape in enumerate(next(iter(trace.stacks.values())).shapes) if shape]
    assert len(present) == len(attentions)
    return max(
        float((trace.attention(layer, head) - weights[0, head]).abs().max())
        for layer, weights in zip(present, attentions, strict=True)
        for head in range(weights.shape[1])
    )


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
@pytest.mark.parametrize("length", [1, 2, 12, 40])
def test_attention_equals_eager_output_attentions(family: str, length: int) -> None:
    model = tiny_models.build(family)
    ids = tiny_models.ids(length)
    trace = attnscope.Model(model).trace(ids)
    expected = eager(model, input_ids=torch.tensor([ids]))
    assert largest_difference(trace, expected.attentions) < CLOSE
    assert trace.certificate.ok
    assert trace.certificate.max_error < CLOSE


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_logits_equal_those_of_the_model_itself(family: str) -> None:
    model = tiny_models.build(family)
    ids = tiny_models.ids()
    with torch.no_grad():
        expected = model(input_ids=torch.tensor([ids])).logits[0]
    torch.testing.assert_close(attnscope.Model(model).trace(ids).logits, expected, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_head_outputs_and_the_bias_sum_to_the_attention_blocks_own_output(family: str) -> None:
    model = tiny_models.build(family)
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(tiny_models.ids())
    (stack,) = trace.stacks
    projection = trace.traced_stack(stack).projections[1]
    path = next(name for name, module in model.named_modules() if _same_weight(module, projection))
    written = []
    times = 2 if family == "albert" else 1  # one module for all layers: take its second call
    hook = model.get_submodule(path).register_forward_hook(lambda _m, _i, output: written.append(output.detach()))
    with torch.no_grad():
        model(input_ids=torch.tensor([tiny_models.ids()]))
    hook.remove()
    bias = getattr(projection, "bias", None)
    parts = sum(trace.head_output(1, head) for head in range(trace.stacks[stack].heads))
    whole = written[times - 1][0].reshape(parts.shape)
    torch.testing.assert_close(parts + (0 if bias is None else bias.detach()), whole, atol=2e-5, rtol=1e-4)


def _same_weight(module, other) -> bool:
    return getattr(module, "weight", None) is other.weight


@pytest.mark.parametrize("family", tiny_models.FAMILIES)
def test_the_full_check_holds_for_every_family(family: str) -> None:
    certificate = attnscope.Model(tiny_models.build(family)).check(tiny_models.ids())
    assert certificate.ok, certificate.sentence
    assert certificate.scope == "full"
    (layers,) = certificate.stacks.values()
    for layer in layers:
        assert layer.hidden_states is not None and layer.hidden_states < CLOSE
        assert layer.weighted_values is not None and layer.weighted_values < CLOSE
        assert layer.eager_weights is not None and layer.eager_weights < CLOSE


@pytest.mark.parametrize("family", ["gemma2", "gpt_oss"])
def test_soft_caps_and_sinks_stay_exact_where_they_are_computed_by_rows(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("attnscope.capture.attention_function.EAGER_UP_TO", 8)
    model = tiny_models.build(family)
    ids = tiny_models.ids(300)
    trace = attnscope.Model(model).trace(ids)
    expected = eager(model, input_ids=torch.tensor([ids]))
    assert largest_difference(trace, expected.attentions) < CLOSE
    torch.testing.assert_close(trace.logits, expected.logits[0], atol=2e-5, rtol=1e-4)


def test_rows_with_a_learned_sink_sum_below_one() -> None:
    trace = attnscope.Model(tiny_models.build("gpt_oss")).trace(tiny_models.ids())
    sums = trace.attention(0, 0).sum(-1)
    assert float(sums.max()) < 0.99


def test_keys_outside_a_sliding_window_are_masked() -> None:
    trace = attnscope.Model(tiny_models.build("mistral")).trace(tiny_models.ids())
    scores = trace.scores(0, 0)
    assert scores[11, 6] == -torch.inf and scores[11, 7] > -torch.inf
    assert trace.layer_record(0).mask.kind == "window"


@pytest.mark.parametrize("family", tiny_models.OUTSIDE_INTERFACE)
def test_a_model_outside_the_interface_shows_its_own_weights_with_a_warning(family: str) -> None:
    model = tiny_models.build(family)
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(tiny_models.ids())
    expected = eager(model, input_ids=torch.tensor([tiny_models.ids()]))
    assert largest_difference(trace, expected.attentions) < 1e-6
    assert not trace.certificate.ok
    assert "reports itself" in trace.certificate.sentence
    assert trace.certificate.sentence in trace.warnings
    with pytest.raises(UnsupportedError, match="only attention weights"):
        trace.q(0, 0)
    assert "reports itself" in wrapped.check(tiny_models.ids()).sentence


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_exact_within_its_rounding(dtype: torch.dtype) -> None:
    model = tiny_models.build("llama").to(dtype)
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(tiny_models.ids())
    expected = eager(model, input_ids=torch.tensor([tiny_models.ids()]))
    assert largest_difference(trace, expected.attentions) < 0.02
    assert trace.certificate.ok and wrapped.check(tiny_models.ids()).ok
    assert trace.attention(0, 0).dtype == torch.float32


TEXTS = [
    "The quick, brown fox jumps over the lazy",
    "The doctor asked the nurse a question. She",
    "Γειά σου κόσμε, 你好 🦊!\n\tdef f(x):",
    " ".join(["All happy families are alike; each unhappy family is unhappy in its own way."] * 12),
]


@pytest.mark.parametrize("text", TEXTS, ids=["fox", "nurse", "unicode", "long"])
@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_real_models_equal_their_own_eager_attention(name: str, text: str, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(name)
    trace = model.trace(text)
    expected = eager(model.hf_model, **model.tokenizer(text, return_tensors="pt"))
    assert largest_difference(trace, expected.attentions) < CLOSE
    assert trace.certificate.ok


def test_a_sentence_pair_is_read_in_the_tokenizers_own_format(minilm: attnscope.Model) -> None:
    first, second = "the cat sat on the mat", "the cat lay on the rug"
    trace = minilm.trace(first, pair=second)
    encoding = minilm.tokenizer(first, second, return_tensors="pt")
    assert [token.id for token in trace.tokens] == encoding["input_ids"][0].tolist()
    assert "".join(token.sentence or "-" for token in trace.tokens) == "AAAAAAAABBBBBBB"
    assert largest_difference(trace, eager(minilm.hf_model, **encoding).attentions) < CLOSE


def ready_inputs(name: str) -> dict[str, torch.Tensor]:
    ids, far = torch.tensor([tiny_models.ids(20)]), torch.arange(20)
    left, right = torch.ones(1, 20, dtype=torch.long), torch.ones(1, 20, dtype=torch.long)
    left[0, :3], right[0, -3:] = 0, 0
    distance = far[:, None] - far
    holes = (distance >= 0) & (distance % 3 != 1)
    smallest = torch.finfo(torch.float32).min
    return {
        "padding left": {"input_ids": ids, "attention_mask": left},
        "padding right": {"input_ids": ids, "attention_mask": right},
        "packed": {"input_ids": ids, "position_ids": (far % 9)[None]},
        "holes": {"input_ids": ids, "attention_mask": torch.where(holes, 0.0, smallest)[None, None]},
        "slopes": {
            "input_ids": ids,
            "attention_mask": torch.where(distance >= 0, -0.3 * distance, smallest)[None, None],
        },
    }[name]


@pytest.mark.parametrize("family", ["llama", "mistral", "gemma2", "gpt_oss", "bert"])
@pytest.mark.parametrize("name", ["padding left", "padding right", "packed", "holes", "slopes"])
def test_ready_masks_and_positions_are_shown_as_the_model_uses_them(family: str, name: str) -> None:
    model, inputs = tiny_models.build(family), ready_inputs(name)
    trace = attnscope.Model(model).trace(inputs)
    expected = eager(model, **inputs)
    rows = slice(3, None) if name == "padding left" else slice(None)  # before, causal rows have no key
    for layer, weights in enumerate(expected.attentions):
        for head in range(weights.shape[1]):
            shown = trace.attention(layer, head)[rows]
            torch.testing.assert_close(shown, weights[0, head, rows], atol=CLOSE, rtol=0)
    assert trace.certificate.ok


def test_hybrid_layers_have_the_models_own_numbers_where_one_module_serves_several() -> None:
    import transformers as tf

    kinds = ["mamba", "mamba", "hybrid", "mamba", "hybrid", "mamba"]
    config = tf.Zamba2Config(
        vocab_size=99, hidden_size=32, num_hidden_layers=6, layers_block_type=kinds, hybrid_layer_ids=[2, 4], num_mem_blocks=1,
        num_attention_heads=4, num_key_value_heads=4, intermediate_size=32, mamba_d_state=8, n_mamba_heads=4, mamba_ngroups=1,
        mamba_expand=2, mamba_headdim=16, use_mem_rope=True, adapter_rank=4,
    )  # fmt: skip
    stack = attnscope.Model(tf.Zamba2ForCausalLM(config).eval()).trace(tiny_models.ids()).stacks["decoder"]
    assert [shape is not None for shape in stack.shapes] == [kind == "hybrid" for kind in kinds]


def test_layers_that_share_keys_of_earlier_ones_are_traced_for_every_token() -> None:
    import transformers as tf

    config = tf.Gemma4TextConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, intermediate_size=32,
        head_dim=8, global_head_dim=16, sliding_window=5, vocab_size_per_layer_input=99, hidden_size_per_layer_input=8,
        num_kv_shared_layers=2, layer_types=["sliding_attention", "full_attention"] * 2,
    )  # fmt: skip
    model, ids = tf.Gemma4ForCausalLM(config).eval(), tiny_models.ids(20)
    trace = attnscope.Model(model).trace(ids)
    expected = eager(model, input_ids=torch.tensor([ids]))
    assert largest_difference(trace, expected.attentions) < CLOSE
    torch.testing.assert_close(trace.logits, expected.logits[0], atol=2e-5, rtol=1e-4)


class Adapted(torch.nn.Module):
    """A linear map plus a low-rank map, followed by `after`."""

    def __init__(self, linear: torch.nn.Linear, after: torch.nn.Module) -> None:
        super().__init__()
        self.inside, self.after = linear, after
        self.down = torch.nn.Linear(linear.in_features, 2, bias=False)
        self.up = torch.nn.Linear(2, linear.out_features, bias=False)

    def forward(self, given):
        return self.after(self.inside(given) + self.up(self.down(given)))


def adapted(after: torch.nn.Module):
    model = tiny_models.build("llama")
    for layer in model.model.layers:
        layer.self_attn.o_proj = Adapted(layer.self_attn.o_proj, after)
    return model


def test_head_outputs_count_an_adapter_that_wraps_the_projection() -> None:
    model, written = adapted(torch.nn.Identity()), []
    hook = model.model.layers[1].self_attn.o_proj.register_forward_hook(lambda _m, _i, output: written.append(output))
    with torch.no_grad():
        model(input_ids=torch.tensor([tiny_models.ids()]))
    hook.remove()
    trace = attnscope.Model(model).trace(tiny_models.ids())
    torch.testing.assert_close(
        sum(trace.head_output(1, head) for head in range(4)), written[0][0], atol=2e-5, rtol=1e-4
    )


def test_head_outputs_raise_if_the_wrapped_projection_is_not_linear() -> None:
    trace = attnscope.Model(adapted(torch.nn.Tanh())).trace(tiny_models.ids())
    with pytest.raises(UnsupportedError, match="output projection"):
        trace.head_output(1, 0)


def test_token_labels_are_not_next_tokens() -> None:
    import transformers as tf

    config = tf.GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=4)
    trace = attnscope.Model(tf.GPT2ForTokenClassification(config)).trace(tiny_models.ids())
    assert trace.next_tokens is None
    assert trace.logits is not None and trace.logits.shape == (12, 2)


class Around(torch.nn.Module):
    """A custom module around a model, whose forward method takes nothing else."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def forward(self, input_ids):
        return self.model(input_ids=input_ids)


def test_a_module_around_a_model_is_traced_and_checked() -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(Around(model))
    assert (
        largest_difference(
            wrapped.trace(tiny_models.ids()), eager(model, input_ids=torch.tensor([tiny_models.ids()])).attentions
        )
        < CLOSE
    )
    assert wrapped.check(tiny_models.ids()).ok
