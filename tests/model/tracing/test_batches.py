"""Many texts traced together: each trace is that of its text alone, and whatever cannot run in a batch runs alone.

The reference is the model's own eager attention and logits for each text, and `Model.trace` for everything else.
"""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Sequence
from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_models
from torch import Tensor, nn

import attnscope
from attnscope.capture.clone_pool import ClonePool
from attnscope.edits import AddVector, CutEdge, Edit, PatchHead, ScaleHead, ScaleNeuron, SetAttention
from attnscope.errors import CancelledError, InputError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.model.model import handle_of
from attnscope.model.tracing import batches
from attnscope.model.tracing.batches import traces_of
from attnscope.trace import Trace

pytestmark = pytest.mark.core


def texts(lengths: Sequence[int], seed: int = 0) -> list[list[int]]:
    source = random.Random(seed)
    return [[source.randrange(3, tiny_models.VOCABULARY) for _ in range(length)] for length in lengths]


def together(model: attnscope.Model, inputs: Sequence[Any], **options: Any) -> list[Trace]:
    encoded = [model.encode(one) for one in inputs]
    found = dict(traces_of(handle_of(model), encoded, **options))
    assert sorted(found) == list(range(len(inputs)))
    return [found[i] for i in range(len(inputs))]


class Passes:
    """Counts the passes of a model and the rows of each. A hook is shared with the clones that run."""

    def __init__(self, model: Any) -> None:
        self.rows: list[int] = []
        model.get_input_embeddings().register_forward_hook(self)

    def __call__(self, _module: Any, args: Any, _output: Any) -> None:
        self.rows.append(args[0].shape[0])


def close(one: Tensor, other: Tensor, tolerance: float = 1e-5) -> None:
    scale = float(other.abs().max()) if other.numel() else 1.0
    torch.testing.assert_close(one, other, atol=tolerance * max(scale, 1.0), rtol=0)


def check_equal(trace: Trace, alone: Trace) -> None:
    """Everything that a trace says, compared with the trace of the text alone."""
    assert trace.stacks == alone.stacks
    for name, stack in alone.stacks.items():
        for layer in range(stack.layers):
            if alone.traced_stack(name).records[layer] is None:
                continue
            for head in range(stack.shapes[layer].heads if stack.shapes[layer] else stack.heads):
                close(trace.attention(layer, head, stack=name), alone.attention(layer, head, stack=name))
    for name in alone.stacks:
        traced = alone.traced_stack(name)
        for mine, its in zip(trace.traced_stack(name).records, traced.records, strict=True):
            if its is None:
                continue
            assert type(mine) is type(its)
            for part in ("q", "k", "v", "gate"):
                if isinstance(getattr(its, part, None), Tensor):
                    close(getattr(mine, part), getattr(its, part))
        assert trace.traced_stack(name).rotary == traced.rotary
        assert [one is None for one in trace.traced_stack(name).projections] == [
            one is None for one in traced.projections
        ]
    if alone.logits is None:
        assert trace.logits is None
    else:
        assert trace.logits is not None
        close(trace.logits, alone.logits)
    mine, its = ({k: v for k, v in one.provenance.items() if k != "certificate"} for one in (trace, alone))
    assert mine == its
    assert trace.warnings == alone.warnings
    assert trace.certificate.ok == alone.certificate.ok
    assert trace.certificate.stacks.keys() == alone.certificate.stacks.keys()
    assert [one.id for one in trace.tokens] == [one.id for one in alone.tokens]
    if alone.next_tokens is not None:
        assert trace.next_tokens is not None
        assert [one[1] for one in trace.next_tokens] == [one[1] for one in alone.next_tokens]
    assert [(one.kind, one.position) for one in trace.predictions] == [
        (one.kind, one.position) for one in alone.predictions
    ]


LENGTHS = (7, 12, 7, 9, 7, 12, 1, 7)


@pytest.mark.parametrize(
    "family",
    ["llama", "gpt2", "bert", "gemma2", "mistral", "gpt_oss", "distilbert", "albert", "opt", "phi3", "gpt_neox"],
)
def test_each_trace_is_that_of_its_text_alone_and_the_models_own(family: str) -> None:
    hf_model = tiny_models.build(family)
    model = attnscope.Model(hf_model)
    inputs = texts(LENGTHS)
    alone = [model.trace(one) for one in inputs]
    passes = Passes(hf_model)
    found = together(model, inputs)
    assert max(passes.rows) == 4  # the four texts of seven tokens
    assert passes.rows.count(1) == 4  # one of each length that has several texts, and two texts without company
    for trace, reference in zip(found, alone, strict=True):
        check_equal(trace, reference)
        assert trace.certificate.ok
    hf_model.set_attn_implementation("eager")
    for one, trace in zip(inputs, found, strict=True):
        with torch.no_grad():
            output = hf_model(input_ids=torch.tensor([one]), output_attentions=True, use_cache=False)
        for layer, weights in enumerate(output.attentions):
            for head in range(weights.shape[1]):
                close(trace.attention(layer, head), weights[0, head].float())
        close(trace.logits, output.logits[0].float())


def test_token_types_masks_and_positions_of_each_row_are_its_own() -> None:
    model = attnscope.Model(tiny_models.build("bert"))
    source = random.Random(1)
    inputs = []
    for i in range(6):
        ids = [source.randrange(3, 99) for _ in range(10)]
        inputs.append(
            {
                "input_ids": torch.tensor([ids]),
                "token_type_ids": torch.tensor([[int(j >= 3 + i) for j in range(10)]]),
                "attention_mask": torch.tensor([[int(j < 10 - i % 3) for j in range(10)]]),
            }
        )
    for one, trace in zip(inputs, together(model, inputs), strict=True):
        check_equal(trace, model.trace(one))
        with torch.no_grad():
            eager = tiny_models.build("bert")
            eager.set_attn_implementation("eager")
            output = eager(**one, output_attentions=True)
        close(trace.attention(1, 2), output.attentions[1][0, 2])


def edits_of(model: attnscope.Model, source: Trace) -> list[list[Edit]]:
    return [
        [ScaleHead(0, 1, 0.0)],
        [CutEdge(1, 2, query=5, key=2), CutEdge(1, 2, query=5, key=3), SetAttention(2, 0, query=6, key=5, weight=0.8)],
        [ScaleNeuron(1, 0, [0, 3], 2.0)],
        [AddVector(1, None, torch.linspace(-1, 1, 32))],
        [PatchHead(2, 3, source)],
    ]


@pytest.mark.parametrize("which", range(5))
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
def test_edits_are_applied_to_every_row(family: str, which: int) -> None:
    model = attnscope.Model(tiny_models.build(family))
    inputs = texts([8] * 5)
    edits = edits_of(model, model.trace(texts([8], seed=9)[0]))[which]
    plain = together(model, inputs)
    for one, trace, unedited in zip(inputs, together(model, inputs, edits=edits), plain, strict=True):
        alone = model.trace(one, edits=edits)
        check_equal(trace, alone)
        assert trace.edits == alone.edits
        assert not torch.allclose(trace.logits, unedited.logits, atol=1e-6)
        for head in range(4):
            close(trace.head_output(2, head), alone.head_output(2, head))


def test_words_in_edits_that_are_at_different_positions_are_found_in_each_text() -> None:
    words = tiny_models.words_tokenizer("the nurse helped a doctor and left")
    model = attnscope.Model(tiny_models.build("llama"), words)
    inputs = ["the nurse helped a doctor", "the doctor helped a nurse", "a nurse and the doctor"]
    edits = [CutEdge(1, 2, query=4, key="nurse")]
    for one, trace in zip(inputs, together(model, inputs, edits=edits), strict=True):
        alone = model.trace(one, edits=edits)
        assert trace.edits == alone.edits
        check_equal(trace, alone)


@pytest.mark.parametrize("family", ["t5", "bart", "bloom"])
def test_encoder_decoder_models_and_those_with_their_own_attention_are_traced_one_by_one(family: str) -> None:
    model = attnscope.Model(tiny_models.build(family))
    inputs = texts([5, 5, 6])
    for one, trace in zip(inputs, together(model, inputs), strict=True):
        check_equal(trace, model.trace(one))


class Mixing(nn.Module):
    """A module in which the rows of a batch affect each other."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        states = self.inner(*args, **kwargs)
        return states - states.mean(dim=0, keepdim=True) * (len(states) > 1)


class OneAtATime(Mixing):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        states = self.inner(*args, **kwargs)
        if len(states) > 1:
            raise RuntimeError("one text at a time, please")
        return states


@pytest.mark.parametrize("kind", [Mixing, OneAtATime])
def test_a_model_that_computes_something_else_in_a_batch_is_traced_one_by_one(kind: type[Mixing]) -> None:
    hf_model = tiny_models.build("llama")
    hf_model.model.layers[1].mlp = kind(hf_model.model.layers[1].mlp)
    model = attnscope.Model(hf_model)
    inputs = texts([6] * 4 + [7] * 3)
    model.trace(inputs[0])
    passes = Passes(hf_model)
    found = together(model, inputs)
    assert sum(rows > 1 for rows in passes.rows) == 1  # it is tried once
    for one, trace in zip(inputs, found, strict=True):
        check_equal(trace, model.trace(one))


def test_an_adapter_around_the_output_projection_is_found_for_every_row() -> None:
    import peft

    hf_model = tiny_models.build("llama")
    config = peft.LoraConfig(target_modules=["o_proj", "q_proj"], r=2, init_lora_weights=False)
    peft.inject_adapter_in_model(config, hf_model)
    model = attnscope.Model(hf_model)
    inputs = texts([6] * 3)
    for one, trace in zip(inputs, together(model, inputs), strict=True):
        alone = model.trace(one)
        check_equal(trace, alone)
        for layer in range(3):
            projection, reference = (each.traced_stack("decoder").projections[layer] for each in (trace, alone))
            assert projection is not None
            assert reference is not None
            states = torch.randn(2, 32)
            close(projection(states).detach(), reference(states).detach())


def test_gates_between_heads_and_output_projection_are_recorded_for_every_row() -> None:
    config = tf.Qwen3NextConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2, head_dim=8,
        intermediate_size=32, layer_types=["full_attention", "full_attention"], num_experts=2, num_experts_per_tok=1,
        moe_intermediate_size=16, shared_expert_intermediate_size=16,
    )  # fmt: skip
    torch.manual_seed(0)
    model = attnscope.Model(tf.Qwen3NextForCausalLM(config).eval())
    inputs = texts([6] * 3)
    for one, trace in zip(inputs, together(model, inputs), strict=True):
        alone = model.trace(one)
        assert alone.traced_stack("decoder").records[0].gate is not None
        check_equal(trace, alone)


def test_a_batch_has_no_more_tokens_than_asked_for() -> None:
    hf_model = tiny_models.build("llama")
    model = attnscope.Model(hf_model)
    inputs = texts([8] * 10 + [30] * 3)
    model.trace(inputs[0])
    passes = Passes(hf_model)
    together(model, inputs, tokens_at_once=24)
    # of 8 tokens: batches of three, each with its first row alone before; the last text and those of 30 tokens run alone
    assert passes.rows == [1, 3, 1, 3, 1, 3, 1, 1, 1, 1]


def test_traces_do_not_keep_the_memory_of_their_batch() -> None:
    model = attnscope.Model(tiny_models.build("llama"))
    inputs = texts([16] * 8)
    encoded = [model.encode(one) for one in inputs]
    trace = next(trace for index, trace in traces_of(handle_of(model), encoded) if index == 5)
    trace.logits  # noqa: B018
    gc.collect()
    for record in trace.traced_stack("decoder").records:
        for tensor in (record.q, record.k, record.v):
            assert tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
    alive = [one for one in gc.get_objects() if type(one) is Tensor and one.ndim == 3 and one.shape[1] == 16]
    assert [one.shape for one in alive if one.untyped_storage().nbytes() > 16 * tiny_models.VOCABULARY * 4] == []


def test_bad_inputs_raise_what_they_raise_alone_after_those_before_them() -> None:
    model = attnscope.Model(tiny_models.build("llama"))
    encoded = [model.encode(one) for one in texts([6] * 3)]
    bad = ModelInputs({"input_ids": torch.tensor([[500, 1, 1, 1, 1, 1]])}, encoded[0].tokens, [], ready=True)
    found: list[int] = []
    with pytest.raises(InputError, match="Token id 500 does not exist"):
        found.extend(index for index, _ in traces_of(handle_of(model), [*encoded[:2], bad, encoded[2]]))
    with pytest.raises(InputError, match="Token id 500 does not exist"):
        model.trace(bad)


class Observer:
    def __init__(self, until: int) -> None:
        self.layers, self.until = 0, until

    def layer(self, done: int, total: int) -> None:
        assert (done, total) == (self.layers % 3 + 1, 3)
        self.layers += 1

    def cancelled(self) -> bool:
        return self.layers >= self.until


def test_an_observer_sees_every_pass_and_can_cancel_it() -> None:
    hf_model = tiny_models.build("llama")
    model = attnscope.Model(hf_model)
    inputs = texts([6] * 5)
    observer = Observer(1000)
    together(model, inputs, observer=observer)
    assert observer.layers == 6  # the first row alone, and the batch
    with pytest.raises(CancelledError):
        together(model, inputs, observer=Observer(4))
    clone = ClonePool.of(hf_model).take().module
    assert all(not module._forward_pre_hooks and not module._forward_hooks for module in clone.modules())


def test_the_order_and_the_edges_of_the_list() -> None:
    model = attnscope.Model(tiny_models.build("llama"))
    assert list(traces_of(handle_of(model), [])) == []
    ((index, trace),) = traces_of(handle_of(model), [model.encode([5, 6, 7])])
    assert index == 0
    check_equal(trace, model.trace([5, 6, 7]))
    same = together(model, [[5, 6, 7]] * 3)
    assert len({json.dumps(one.provenance["input_ids"]) for one in same}) == 1
    assert len({one.provenance["weights"] for one in same}) == 1


def test_inputs_that_differ_in_their_arguments_do_not_share_a_batch() -> None:
    model = attnscope.Model(tiny_models.build("bert"))
    ids = texts([5] * 4)
    inputs: list[Any] = [
        ids[0],
        {"input_ids": [ids[1]], "attention_mask": [[1, 1, 1, 1, 0]]},
        {"input_ids": [ids[2]], "position_ids": [[4, 3, 2, 1, 0]]},
        {"input_ids": [ids[3]]},
    ]
    for one, trace in zip(inputs, together(model, inputs), strict=True):
        check_equal(trace, model.trace(one))


@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_texts_of_real_models(name: str) -> None:
    model = attnscope.load(name)
    inputs = [
        "The nurse helped the doctor because she was tired.",
        "The doctor helped the nurse because he was tired.",
        "A nurse helped the doctor because she was hungry.",
        "Short.",
    ]
    for one, trace in zip(inputs, together(model, inputs), strict=True):
        check_equal(trace, model.trace(one))


def test_the_largest_difference_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    hf_model = tiny_models.build("llama")
    model = attnscope.Model(hf_model)
    monkeypatch.setattr(batches, "relative", lambda *_: 1.0)
    passes = Passes(hf_model)
    found = together(model, texts([6] * 3))
    assert passes.rows[-3:] == [1, 1, 1]
    assert all(trace.certificate.ok for trace in found)
