"""The user's model stays unchanged (other threads' passes, configs, hooks, modes, dtype, device), even if a pass raises."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope
from attnscope.capture import prepared
from attnscope.capture.clone import configs_of, structural_clone
from attnscope.errors import CancelledError, UnsupportedError

pytestmark = pytest.mark.core


def state(model: Any) -> dict[str, Any]:
    """Everything about a model that a pass might disturb."""
    return {
        "implementations": [config._attn_implementation_internal for config in configs_of(model)],
        "configs": [id(config) for config in configs_of(model)],
        "config text": model.config.to_json_string(),
        "training": [module.training for module in model.modules()],
        "hooks": [
            (list(m._forward_hooks.items()), list(m._forward_pre_hooks.items()), list(m._backward_hooks.items()))
            for m in model.modules()
        ],
        "attributes": [sorted(module.__dict__) for module in model.modules()],
        "parameters": [
            (name, id(p), p.dtype, p.device, p.requires_grad, p.data_ptr()) for name, p in model.named_parameters()
        ],
        "buffers": [(name, id(b), b.data_ptr()) for name, b in model.named_buffers()],
        "gradients on": torch.is_grad_enabled(),
    }


class CancelsAt:
    def __init__(self, layer: int) -> None:
        self.seen, self.layer_number = 0, layer

    def layer(self, done: int, total: int) -> None:
        self.seen = done

    def cancelled(self) -> bool:
        return self.seen >= self.layer_number


@pytest.mark.parametrize("family", ["llama", "bert", "gemma2", "albert", "bloom", "modernbert"])
@pytest.mark.parametrize("training", [False, True], ids=["eval", "train"])
def test_a_trace_and_a_check_leave_the_model_unchanged(family: str, training: bool) -> None:
    model = tiny_models.build(family).train(training)
    model.get_submodule(next(n for n, m in model.named_modules() if isinstance(m, torch.nn.Linear))).eval()
    calls: list[int] = []
    model.register_forward_hook(lambda *_: calls.append(1))
    before, weights = state(model), {n: p.clone() for n, p in model.named_parameters()}
    wrapped = attnscope.Model(model)
    wrapped.trace(tiny_models.ids()).logits  # noqa: B018
    wrapped.check(tiny_models.ids())
    assert state(model) == before
    assert all(torch.equal(weights[name], parameter) for name, parameter in model.named_parameters())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_cancelled_pass_leaves_the_model_unchanged() -> None:
    model = tiny_models.build("llama").train()
    wrapped = attnscope.Model(model)
    wrapped.trace(tiny_models.ids())
    before = state(model)
    with pytest.raises(CancelledError):
        wrapped.trace(tiny_models.ids(), observer=CancelsAt(2))
    assert state(model) == before


def test_a_failing_pass_leaves_the_model_unchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_models.build("llama")
    wrapped = attnscope.Model(model)
    wrapped.trace(tiny_models.ids())
    before = state(model)

    def burns(*_: Any) -> None:
        raise RuntimeError("the kernel burns")

    monkeypatch.setattr("attnscope.capture.attention_function._record", burns)
    with pytest.raises(RuntimeError, match="burns"):
        wrapped.trace(tiny_models.ids())
    assert state(model) == before


def test_sub_configs_keep_their_own_implementations() -> None:
    text = tf.LlamaConfig(
        vocab_size=99, hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32
    )
    vision = tf.CLIPVisionConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=4, intermediate_size=32, image_size=8, patch_size=4
    )
    model = tf.LlavaForConditionalGeneration(tf.LlavaConfig(text_config=text, vision_config=vision)).eval()
    model.config.vision_config._attn_implementation = "eager"
    before = state(model)
    trace = attnscope.Model(model).trace(tiny_models.ids())
    assert trace.stacks["decoder"].heads == 4
    assert state(model) == before
    assert model.config.vision_config._attn_implementation == "eager"
    assert model.config.text_config._attn_implementation == "sdpa"


def test_passes_of_another_thread_stay_bit_identical_while_tracing() -> None:
    model = tiny_models.build("llama")
    inputs = torch.tensor([tiny_models.ids(24)])
    with torch.no_grad():
        expected = model(input_ids=inputs).logits
    wrapped = attnscope.Model(model)
    wrapped.trace(tiny_models.ids())
    stop, wrong, passes = threading.Event(), [], []

    def work() -> None:
        while not stop.is_set():
            with torch.no_grad():
                passes.append(1)
                if not torch.equal(model(input_ids=inputs).logits, expected):
                    wrong.append(1)

    thread = threading.Thread(target=work)
    thread.start()
    for _ in range(40):
        wrapped.trace(tiny_models.ids())
    wrapped.check(tiny_models.ids())
    stop.set()
    thread.join()
    assert len(passes) > 20
    assert not wrong


def test_two_threads_trace_the_same_model_without_mixing() -> None:
    wrapped = attnscope.Model(tiny_models.build("llama"))
    texts = [tiny_models.ids(9), list(reversed(tiny_models.ids(17)))]
    expected = [wrapped.trace(text).id for text in texts]
    got: list[list[str]] = [[], []]

    def work(which: int) -> None:
        for _ in range(10):
            got[which].append(wrapped.trace(texts[which]).id)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [[expected[0]] * 10, [expected[1]] * 10]


def test_models_that_share_a_config_are_not_switched_together() -> None:
    first = tiny_models.build("llama")
    second = tf.LlamaForCausalLM(first.config).eval()
    assert first.config is second.config
    attnscope.Model(first).trace(tiny_models.ids())
    assert second.config._attn_implementation == "sdpa"


def test_the_users_own_hooks_run_in_the_traced_pass_because_they_are_part_of_the_model() -> None:
    model = tiny_models.build("llama")
    plain = attnscope.Model(model).trace(tiny_models.ids())

    class Steer:
        """A hook with state, as in steering code: the object itself must be called, not a copy."""

        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, _module: Any, _inputs: Any, output: Any) -> Any:
            self.calls += 1
            return output + 1.0

    steer = Steer()
    model.model.embed_tokens.register_forward_hook(steer)
    steered = attnscope.Model(model).trace(tiny_models.ids())
    assert steer.calls > 0
    assert not torch.allclose(steered.attention(0, 0), plain.attention(0, 0), atol=1e-3)


def test_a_clone_copies_no_weights() -> None:
    model = tiny_models.build("llama")
    clone = structural_clone(model)
    own = {p.data_ptr() for p in model.parameters()}
    assert {p.data_ptr() for p in clone.parameters()} == own
    assert not {id(m) for m in clone.modules()} & {id(m) for m in model.modules()}


class Uncopied(torch.nn.Linear):
    """A module that cannot be copied, like some quantized modules."""

    def __deepcopy__(self, memo: Any) -> Any:
        raise TypeError("cannot be copied")


@pytest.mark.parametrize("fails", [False, True], ids=["pass", "raises"])
def test_a_model_that_cannot_be_cloned_is_switched_and_restored(fails: bool) -> None:
    model = tiny_models.build("llama").train()
    plain = attnscope.Model(model).trace(tiny_models.ids())
    old = model.lm_head
    model.lm_head = Uncopied(32, 99, bias=False)
    model.lm_head.weight = old.weight
    before = state(model)
    if fails:
        with pytest.raises(RuntimeError), prepared(model, "attnscope"):
            assert model.config._attn_implementation == "attnscope"
            raise RuntimeError
    else:
        assert torch.equal(attnscope.Model(model).trace(tiny_models.ids()).attention(2, 1), plain.attention(2, 1))
    assert state(model) == before


def test_the_registered_function_raises_outside_a_trace() -> None:
    model = tiny_models.build("llama")
    model.config._attn_implementation = "attnscope"
    with pytest.raises(UnsupportedError, match="works only inside a forward pass"):
        model(input_ids=torch.tensor([tiny_models.ids()]))


@pytest.mark.parametrize("way", ["dispatched", "offloaded to memory", "offloaded to disk"])
@pytest.mark.filterwarnings("ignore:.*offloaded to the cpu:UserWarning")
def test_models_dispatched_or_offloaded_by_accelerate_are_traced(way: str, tmp_path: Any) -> None:
    import accelerate

    plain = attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids())
    model, cpu = tiny_models.build("llama"), torch.device("cpu")
    if way == "dispatched":
        accelerate.dispatch_model(model, {"": "cpu"}, force_hooks=True)
    elif way == "offloaded to memory":
        accelerate.cpu_offload(model, cpu)
    else:
        accelerate.disk_offload(model, str(tmp_path), cpu)
    before = state(model)
    trace = attnscope.Model(model).trace(tiny_models.ids())
    assert torch.equal(trace.attention(2, 1), plain.attention(2, 1))
    torch.testing.assert_close(trace.head_output(1, 0), plain.head_output(1, 0))
    torch.testing.assert_close(trace.logits, plain.logits)
    assert attnscope.Model(model).check(tiny_models.ids()).ok
    assert state(model) == before


def test_a_compiled_model_is_traced_uncompiled() -> None:
    plain = attnscope.Model(tiny_models.build("llama")).trace(tiny_models.ids())
    compiled = attnscope.Model(torch.compile(tiny_models.build("llama"), backend="eager"))
    torch.testing.assert_close(compiled.trace(tiny_models.ids()).attention(2, 1), plain.attention(2, 1))
    assert compiled.check(tiny_models.ids()).ok
