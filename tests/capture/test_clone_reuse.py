"""A clone is used again only while the model is what it was: every kind of change is seen, and a pass leaves nothing behind.

The reference for a trace after a change is the changed model's own eager attention and logits.
"""

from __future__ import annotations

import copy
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from types import MethodType, SimpleNamespace
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers as tf
from helpers import tiny_models
from torch import Tensor, nn
from torch.nn.utils import parametrize

import attnscope
from attnscope.capture import ClonePool, prepared
from attnscope.capture.snapshot import Snapshot
from attnscope.errors import CancelledError
from attnscope.model.model import handle_of

pytestmark = pytest.mark.core

IDS = tiny_models.ids()


def reference(model: Any) -> tuple[list[Tensor], Tensor]:
    """The attention weights of each layer and the logits, from transformers' own eager attention."""
    copied = copy.deepcopy(model).eval()
    copied.set_attn_implementation("eager")
    with torch.no_grad():
        output = copied(input_ids=torch.tensor([IDS]), output_attentions=True, use_cache=False)
    return [weights[0].float() for weights in output.attentions], output.logits[0].float()


def check(trace: Any, model: Any, tolerance: float = 1e-5) -> None:
    weights, logits = reference(model)
    for layer, expected in enumerate(weights):
        for head in range(len(expected)):
            torch.testing.assert_close(trace.attention(layer, head), expected[head], atol=tolerance, rtol=0)
    scale = float(logits.abs().max())
    torch.testing.assert_close(trace.logits, logits, atol=tolerance * max(scale, 1), rtol=0)


def clone_ids(model: Any, count: int = 1) -> list[int]:
    found: list[int] = []
    for _ in range(count):
        with prepared(model, None) as clone:
            found.append(id(clone))
    return found


class Doubled(nn.Module):
    def forward(self, weight: Tensor) -> Tensor:
        return 2 * weight


class Scaled(nn.Module):
    """A module whose numbers depend on a plain object."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner
        self.settings = SimpleNamespace(factors={"now": [1.0]})

    def forward(self, states: Tensor) -> Tensor:
        return self.inner(states) * self.settings.factors["now"][0]


def add_hook(model: Any) -> None:
    model.model.layers[0].mlp.register_forward_hook(lambda _m, _a, output: output + 1)


def add_pre_hook(model: Any) -> None:
    model.model.layers[0].mlp.register_forward_pre_hook(lambda _m, args: (args[0] * 3,))


def replace_hook_in_its_table(model: Any) -> None:
    table = model.model.layers[1].mlp._forward_hooks
    for key in table:
        table[key] = lambda _m, _a, output: output * 5


def remove_hook(model: Any) -> None:
    model.model.layers[1].mlp._forward_hooks.clear()


def replace_module(model: Any) -> None:
    model.model.layers[0].self_attn.q_proj = nn.Linear(32, 32)


def swap_layers(model: Any) -> None:
    layers = model.model.layers
    layers[0], layers[1] = layers[1], layers[0]


def extend_a_sequence(model: Any) -> None:
    model.model.layers[1].input_layernorm.append(nn.Linear(32, 32))


def replace_parameter(model: Any) -> None:
    projection = model.model.layers[0].self_attn.k_proj
    projection.weight = nn.Parameter(projection.weight * 2)


def assign_a_state_dict(model: Any) -> None:
    model.load_state_dict({name: value * 1.5 for name, value in model.state_dict().items()}, assign=True)


def change_weights_in_place(model: Any) -> None:
    model.model.layers[0].self_attn.k_proj.weight.data.mul_(2)


def replace_buffer(model: Any) -> None:
    model.model.rotary_emb.inv_freq = model.model.rotary_emb.inv_freq * 3


def double_precision(model: Any) -> None:
    model.double()


def change_an_attribute(model: Any) -> None:
    model.model.layers[0].self_attn.scaling = 2.0


def change_a_plain_object(model: Any) -> None:
    model.model.layers[0].mlp.settings.factors["now"][0] = 4.0


def parametrize_a_weight(model: Any) -> None:
    parametrize.register_parametrization(model.model.layers[0].self_attn.q_proj, "weight", Doubled())


def change_the_class(model: Any) -> None:
    class Negative(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - the name in the class
            return -super().forward(input)

    model.model.layers[0].self_attn.q_proj.__class__ = Negative


def replace_forward_by_a_method(model: Any) -> None:
    mlp = model.model.layers[0].mlp

    def forward(self: Any, states: Tensor) -> Tensor:
        return type(self).forward(self, states) * 3

    mlp.forward = MethodType(forward, mlp)


def replace_forward_by_a_function(model: Any) -> None:
    mlp = model.model.layers[0].mlp
    own = mlp.forward
    mlp.forward = lambda states: own(states) * 3


def compile_a_forward_method(model: Any) -> None:
    replace_forward_by_a_function(model)
    mlp = model.model.layers[0].mlp
    mlp.forward = torch.compile(mlp.forward, backend="eager")


def add_an_adapter(model: Any) -> None:
    adapter = peft.LoraConfig(target_modules=["q_proj", "o_proj"], r=2, init_lora_weights=False)
    peft.inject_adapter_in_model(adapter, model, "first")


def lora_layers(model: Any) -> list[Any]:
    return [one for one in model.modules() if isinstance(one, peft.tuners.lora.LoraLayer)]


def disable_adapters(model: Any) -> None:
    for layer in lora_layers(model):
        layer.enable_adapters(False)


def activate_another_adapter(model: Any) -> None:
    for layer in lora_layers(model):
        layer.set_adapter("second")


def scale_the_adapter(model: Any) -> None:
    for layer in lora_layers(model):
        layer.scaling["first"] = 7.0


def merge_the_adapter(model: Any) -> None:
    for layer in lora_layers(model):
        layer.merge()


PREPARED: dict[Callable[[Any], None], Callable[[Any], Any]] = {
    replace_hook_in_its_table: lambda model: add_later_hook(model),
    remove_hook: lambda model: add_later_hook(model),
    extend_a_sequence: lambda model: in_a_sequence(model),
    change_a_plain_object: lambda model: with_settings(model),
    disable_adapters: add_an_adapter,
    scale_the_adapter: add_an_adapter,
    merge_the_adapter: add_an_adapter,
    activate_another_adapter: lambda model: two_adapters(model),
}
"""What a model must have before the change."""


def add_later_hook(model: Any) -> None:
    model.model.layers[1].mlp.register_forward_hook(lambda _m, _a, output: output - 1)


def in_a_sequence(model: Any) -> None:
    layer = model.model.layers[1]
    layer.input_layernorm = nn.Sequential(layer.input_layernorm)


def with_settings(model: Any) -> None:
    layer = model.model.layers[0]
    layer.mlp = Scaled(layer.mlp)


def two_adapters(model: Any) -> None:
    for name in ("first", "second"):
        adapter = peft.LoraConfig(target_modules=["q_proj", "o_proj"], r=2, init_lora_weights=False)
        peft.inject_adapter_in_model(adapter, model, name)
    for layer in lora_layers(model):
        layer.set_adapter("first")


CHANGES = [
    add_hook, add_pre_hook, replace_hook_in_its_table, remove_hook, replace_module, swap_layers, extend_a_sequence,
    replace_parameter, assign_a_state_dict, change_weights_in_place, replace_buffer, double_precision, change_an_attribute,
    change_a_plain_object, parametrize_a_weight, change_the_class, replace_forward_by_a_method,
    replace_forward_by_a_function, compile_a_forward_method, add_an_adapter, disable_adapters, activate_another_adapter,
    scale_the_adapter, merge_the_adapter,
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:Already found a `peft_config`:UserWarning")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_trace_after_a_change_is_that_of_the_changed_model(change: Callable[[Any], None]) -> None:
    model = tiny_models.build("llama")
    if change in PREPARED:
        PREPARED[change](model)
    torch.manual_seed(0)
    wrapped = attnscope.Model(model)
    before = wrapped.trace(IDS)
    check(before, model)
    change(model)
    after = wrapped.trace(IDS)
    check(after, model)
    assert not torch.allclose(after.logits, before.logits, atol=1e-4) or change in (merge_the_adapter, double_precision)
    check(wrapped.trace(IDS), model)


def test_a_changed_config_is_seen() -> None:
    model = tiny_models.build("gemma2")
    wrapped = attnscope.Model(model)
    wrapped.trace(IDS)
    model.config.final_logit_softcapping = 0.01
    trace = wrapped.trace(IDS)
    check(trace, model)
    assert float(trace.logits.abs().max()) <= 0.01


def test_a_lower_precision_is_seen() -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    wrapped.trace(IDS)
    model.to(torch.bfloat16)
    trace = wrapped.trace(IDS)
    assert trace.provenance["dtype"] == "bfloat16"
    check(trace, model, tolerance=2e-2)


INVISIBLE: dict[str, Callable[[Any], Any]] = {
    "the mode of a module": lambda model: model.model.layers[0].mlp.train(),
    "gradient checkpointing": lambda model: setattr(model.model.layers[0], "gradient_checkpointing", True),
    "the attention implementation": lambda model: model.set_attn_implementation("eager"),
    "a list in the config": lambda model: model.config.architectures.append("Other"),
    "a dictionary in the config": lambda model: model.config.rope_parameters.update(rope_theta=7.0),
    "the generation config": lambda model: setattr(model.generation_config, "top_k", 7),
    "a new attribute": lambda model: setattr(model.model, "note", "new"),
    "an attribute less": lambda model: delattr(model, "vocab_size"),
    "a module without a name": lambda model: model.model.register_module("extra", None),
    "a buffer": lambda model: model.model.register_buffer("extra", torch.zeros(1)),
    "a hook for the state": lambda model: model.register_state_dict_post_hook(lambda *_: None),
}


@pytest.mark.parametrize("change", INVISIBLE.values(), ids=INVISIBLE.keys())
def test_a_change_that_no_number_shows_is_seen_too(change: Callable[[Any], Any]) -> None:
    model = tiny_models.build("llama")
    model.config.architectures = ["LlamaForCausalLM"]
    snapshot = Snapshot.of(model)
    assert snapshot is not None
    assert snapshot.holds()
    change(model)
    assert not snapshot.holds()


@pytest.mark.parametrize("family", sorted(tiny_models.FAMILIES))
def test_every_family_is_copied_once(family: str) -> None:
    model = tiny_models.build(family)
    pool = ClonePool.of(model)
    first, second = clone_ids(model, 2)
    assert first == second
    del pool


def test_a_clone_is_used_by_later_traces_and_by_logits() -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(IDS)
    (first,) = clone_ids(model)
    weights = trace.attention(1, 2)
    assert torch.equal(wrapped.trace(IDS).attention(1, 2), weights)
    trace.logits  # noqa: B018
    assert clone_ids(model) == [first]


def test_a_model_that_nobody_wraps_keeps_no_clone() -> None:
    model = tiny_models.build("llama")
    with prepared(model, None) as clone:
        gone = weakref.ref(clone)
    del clone
    gc.collect()
    assert gone() is None


class Counting(nn.Module):
    """A module with a state of a kind that only its own code can see."""

    def __init__(self, state: Any) -> None:
        super().__init__()
        self.state = state

    def forward(self, states: Tensor) -> Tensor:
        return states


@pytest.mark.parametrize(
    "state",
    [
        np.zeros(3),
        bytearray(3),
        torch.Generator(),
        [torch.zeros(1)],
        {"a": nn.Linear(1, 1)},
        SimpleNamespace(a=np.ones(1)),
    ],
    ids=["array", "bytes", "generator", "tensors", "module outside the tree", "object with an array"],
)
def test_a_model_with_contents_that_change_unseen_is_copied_for_every_pass(state: Any) -> None:
    model = tiny_models.build("llama")
    model.model.layers[0].extra = Counting(state)
    assert Snapshot.of(model) is None
    wrapped = attnscope.Model(model)
    wrapped.trace(IDS)
    with prepared(model, None) as first:
        pass
    with prepared(model, None) as second:
        assert second is not first
    check(wrapped.trace(IDS), model)


STRENGTH = 1.0


def test_variables_of_a_replaced_forward_method_are_seen() -> None:
    """The clone's function has copies of the variables, so the clone may not be used again."""
    global STRENGTH
    model = tiny_models.build("llama")
    mlp = model.model.layers[0].mlp
    own, factor = mlp.forward, 1.0

    def forward(states: Tensor) -> Tensor:
        return own(states) * factor * STRENGTH

    mlp.forward = forward
    wrapped = attnscope.Model(model)
    wrapped.trace(IDS)
    factor = 3.0
    check(wrapped.trace(IDS), model)
    try:
        STRENGTH = 5.0  # pyright: ignore[reportConstantRedefinition]
        check(wrapped.trace(IDS), model)
    finally:
        STRENGTH = 1.0  # pyright: ignore[reportConstantRedefinition]


def test_a_forward_method_that_reads_a_module_later_gets_the_one_of_the_clone() -> None:
    model = tiny_models.build("llama")
    mlp = model.model.layers[0].mlp
    inner: nn.Module | None = None
    seen: list[int] = []

    def forward(self: Any, states: Tensor) -> Tensor:
        if inner is not None:
            seen.append(id(inner))
        return type(self).forward(self, states)

    mlp.forward = MethodType(forward, mlp)
    wrapped = attnscope.Model(model)
    wrapped.trace(IDS)
    inner = model.model.norm
    seen.clear()
    check(wrapped.trace(IDS), model)
    with prepared(model, None) as clone:
        clone(input_ids=torch.tensor([IDS]), use_cache=False)
        assert seen[-1] == id(clone.get_submodule("model.norm"))


def test_a_pass_that_changes_the_clone_leaves_no_trace_in_later_ones() -> None:
    """Dynamic scaling replaces the rotary frequencies of the module that runs, in a pass over a long text."""
    config = tf.LlamaConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=16, rope_parameters={"rope_type": "dynamic", "factor": 4.0, "rope_theta": 1e4},
    )  # fmt: skip
    model = tf.LlamaForCausalLM(config).eval()
    wrapped = attnscope.Model(model)
    short = [wrapped.trace(IDS).attention(layer, 0) for layer in range(2)]
    wrapped.trace(tiny_models.ids(40))
    check(wrapped.trace(IDS), model)
    assert all(torch.equal(wrapped.trace(IDS).attention(layer, 0), short[layer]) for layer in range(2))


def test_hooks_and_attributes_left_on_a_clone_reach_no_other_pass() -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    expected = wrapped.trace(IDS).attention(2, 1)
    leftovers: list[Callable[[Any], Any]] = [
        lambda clone: clone.model.layers[0].register_forward_hook(lambda _m, _a, output: output + 1),
        lambda clone: setattr(clone.model.layers[0].self_attn, "scaling", 9.0),
        lambda clone: setattr(clone.model.layers[0].mlp, "forward", lambda states: states),
        lambda clone: clone.config.rope_parameters.clear(),
        lambda clone: clone.train(),
    ]
    for leave in leftovers:
        with prepared(model, "attnscope") as clone:
            leave(clone)
        assert torch.equal(wrapped.trace(IDS).attention(2, 1), expected)
        with prepared(model, None) as other:
            assert other is not clone
    with prepared(model, "attnscope") as clone:
        pass
    with prepared(model, None) as same:
        assert same is clone
        assert same.config._attn_implementation == "sdpa"


class CancelsAt:
    def __init__(self, layer: int) -> None:
        self.seen, self.at = 0, layer

    def layer(self, done: int, total: int) -> None:
        self.seen = done

    def cancelled(self) -> bool:
        return self.seen >= self.at


def hooks_of(model: Any) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())


def test_cancelled_and_failing_passes_leave_nothing_on_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    expected = wrapped.trace(IDS).attention(2, 1)
    for layer in (0, 1, 2):
        with pytest.raises(CancelledError):
            wrapped.trace(IDS, observer=CancelsAt(layer))
        with prepared(model, None) as clone:
            assert hooks_of(clone) == 0
        assert torch.equal(wrapped.trace(IDS).attention(2, 1), expected)

    def burns(*_: Any) -> None:
        raise RuntimeError("the kernel burns")

    with monkeypatch.context() as patch:
        patch.setattr("attnscope.capture.attention_function._record", burns)
        with pytest.raises(RuntimeError, match="burns"):
            wrapped.trace(IDS)
    with prepared(model, None) as clone:
        assert hooks_of(clone) == 0
        assert clone.config._attn_implementation == "sdpa"
    check(wrapped.trace(IDS), model)


def test_passes_at_the_same_time_and_passes_within_others_have_clones_of_their_own() -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    with prepared(model, "attnscope") as outer, prepared(model, None) as inner:
        assert outer is not inner
        assert outer.config._attn_implementation == "attnscope"
        assert inner.config._attn_implementation == "sdpa"
    barrier, used = threading.Barrier(4), list[int]()
    kept: list[Any] = []

    def work() -> None:
        with prepared(model, "attnscope") as clone:
            kept.append(clone)
            used.append(id(clone))
            barrier.wait(timeout=60)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(used)) == 4
    check(wrapped.trace(IDS), model)


def test_a_model_that_changes_while_other_threads_trace_it_is_traced_in_one_state_or_the_other() -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    attention = model.model.layers[0].self_attn
    own = attention.scaling
    expected: list[Tensor] = []
    for scaling in (own, 3.0):
        attention.scaling = scaling
        expected.append(wrapped.trace(IDS).attention(0, 0))
    stop, wrong = threading.Event(), list[int]()

    def work() -> None:
        while not stop.is_set():
            found = wrapped.trace(IDS).attention(0, 0)
            if not any(torch.allclose(found, one, atol=1e-6) for one in expected):
                wrong.append(1)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for i in range(60):
        attention.scaling = (own, 3.0)[i % 2]
        wrapped.trace(IDS)
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong


def test_what_a_trace_computes_with_the_output_projection_ignores_the_hooks_of_other_passes() -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    trace = wrapped.trace(IDS)
    expected = trace.head_output(1, 2)
    with prepared(model, None) as clone:
        for module in clone.modules():
            if isinstance(module, nn.Linear):
                module.register_forward_hook(lambda _m, _a, output: output * 100)
        assert torch.equal(trace.head_output(1, 2), expected)


@pytest.fixture
def watched() -> Iterator[list[weakref.ref[Any]]]:
    references: list[weakref.ref[Any]] = []
    yield references
    gc.collect()
    assert [one for one in references if one() is not None] == []


def test_a_model_that_is_no_longer_used_is_freed_with_its_clones(watched: list[weakref.ref[Any]]) -> None:
    model = tiny_models.build("llama")
    model.note = lambda: model  # a cycle through an attribute
    model.model.register_forward_hook(lambda _m, _a, output: (model, output)[1])
    wrapped = attnscope.Model(model)
    wrapped.trace(IDS)
    watched.append(weakref.ref(model))
    with prepared(model, None) as clone:
        watched.append(weakref.ref(clone))
    watched.append(weakref.ref(ClonePool.of(model)))


def test_a_copy_of_a_wrapped_model_has_clones_of_its_own() -> None:
    wrapped = attnscope.Model(tiny_models.build("llama"))
    wrapped.trace(IDS)
    copied = copy.deepcopy(wrapped)
    assert handle_of(copied).clones is not handle_of(wrapped).clones
    assert handle_of(copied).clones is ClonePool.of(copied.hf_model)
    add_hook(copied.hf_model)
    check(copied.trace(IDS), copied.hf_model)
    check(wrapped.trace(IDS), wrapped.hf_model)
