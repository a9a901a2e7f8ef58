"""Calls of the Hugging Face model itself while edits are active."""

from __future__ import annotations

import threading
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from helpers.eager_reference import edited_copy, run_with_change
from helpers.tiny_models import build, ids
from torch import Tensor

import attnscope
from attnscope.edits import AddVector, CutEdge, Edit, MeanHead, PatchHead, ScaleHead, ScaleNeuron, SetAttention
from attnscope.edits.plan import Planned
from attnscope.errors import InputError, UnsupportedError

INPUT = torch.tensor([ids(7)])


@pytest.fixture(scope="module")
def llama() -> attnscope.Model:
    return attnscope.Model(build("llama"))


def logits_of(model: Any, inputs: Tensor = INPUT) -> Tensor:
    with torch.no_grad():
        return model(input_ids=inputs).logits


def test_inside_the_block_the_users_own_model_is_edited_and_afterwards_as_before(llama: attnscope.Model) -> None:
    edits = [ScaleHead(1, 2, 0), CutEdge(2, 1, 3, 0)]
    hf_model, before = llama.hf_model, dict(vars(llama.hf_model))
    plain, wanted = logits_of(hf_model), llama.trace(ids(7), edits=edits).logits
    hf_model.train()
    with llama.edited(edits) as inner:
        assert torch.allclose(logits_of(hf_model)[0], wanted, atol=1e-6)
        assert torch.allclose(logits_of(inner)[0], wanted, atol=1e-6)
        with torch.no_grad():
            assert torch.equal(hf_model.model(input_ids=INPUT).last_hidden_state, inner.model(INPUT).last_hidden_state)
        with llama.edited([]):
            assert torch.allclose(logits_of(hf_model), plain, atol=1e-6)
        assert torch.allclose(logits_of(hf_model)[0], wanted, atol=1e-6)
        assert hf_model.training
    hf_model.eval()
    assert torch.equal(logits_of(hf_model), plain)
    assert vars(hf_model).keys() == before.keys()
    with pytest.raises(UnsupportedError, match="only inside"):
        logits_of(inner)
    with pytest.raises(ZeroDivisionError), llama.edited(edits):
        _ = 1 / 0
    assert torch.equal(logits_of(hf_model), plain)


def test_other_threads_are_not_edited_and_may_edit_on_their_own(llama: attnscope.Model) -> None:
    plain = logits_of(llama.hf_model)
    kinds: list[list[Edit]] = [[ScaleHead(1, head, 0)] for head in range(3)]
    wanted = [llama.trace(ids(7), edits=edits).logits for edits in kinds]
    wrong: list[str] = []
    start = threading.Barrier(4)

    def edited(index: int) -> None:
        start.wait()
        for _ in range(6):
            with llama.edited(kinds[index]):
                if not torch.allclose(logits_of(llama.hf_model)[0], wanted[index], atol=1e-6):
                    wrong.append(f"edited {index}")

    def untouched() -> None:
        start.wait()
        for _ in range(18):
            if not torch.equal(logits_of(llama.hf_model), plain):
                wrong.append("plain")

    threads = [threading.Thread(target=edited, args=(index,)) for index in range(3)]
    threads.append(threading.Thread(target=untouched))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert torch.equal(logits_of(llama.hf_model), plain)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_generation_with_a_cache_equals_whole_passes_of_the_tests_own_attention(family: str) -> None:
    model = attnscope.Model(build(family))
    path = "model.layers.1.self_attn"
    vector = torch.linspace(-1, 1, 32)
    mean = torch.linspace(-1, 1, model.stacks["decoder"].layer(1).v_dim)
    edits = [
        CutEdge(1, 1, 8, 2),
        SetAttention(1, 2, 4, 1, 0.8),
        ScaleNeuron(1, 0, (0, 1), 2.0, "k"),
        MeanHead(1, 3, mean),
        AddVector(2, 9, vector),
    ]

    def change(what: str, where: str, tensor: Tensor) -> Tensor:
        if where != path:
            return tensor
        tensor = tensor.clone()
        if what == "k":
            tensor[:, 0, :, :2] *= 2.0
        if what == "scores" and tensor.shape[2] > 8:
            tensor[0, 1, 8, 2] = -torch.inf
        if what == "weights":
            row = tensor[0, 2, 4]
            row *= 0.2 / (1 - row[1])
            row[1] = 0.8
        if what == "output":
            tensor[:, :, 3] = mean
        return tensor

    twin = edited_copy(model.hf_model)
    twin.model.layers[2].register_forward_hook(lambda _m, _a, output: _add(output, vector))
    found = INPUT
    for _ in range(5):
        output, _ = run_with_change(twin, change, partial(twin, input_ids=found, use_cache=False))
        found = torch.cat([found, output.logits[:, -1:].argmax(-1)], dim=1)
    options = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
    plain = model.hf_model.generate(INPUT, **options)
    with model.edited(edits):
        cached = model.hf_model.generate(INPUT, **options)
        whole = model.hf_model.generate(INPUT, use_cache=False, **options)
    assert cached.tolist() == found.tolist()
    assert whole.tolist() == found.tolist()
    assert model.hf_model.generate(INPUT, **options).tolist() == plain.tolist()


def _add(output: Any, vector: Tensor) -> Any:
    states = (output[0] if isinstance(output, tuple) else output).clone()
    if states.shape[1] > 9:
        states[:, 9] += vector
    return (states, *output[1:]) if isinstance(output, tuple) else states


def test_an_encoder_decoder_generates_with_its_encoder_edited() -> None:
    model = attnscope.Model(build("bart"))
    edits = [ScaleHead(1, 1, -2, stack="encoder"), CutEdge(1, 0, 2, 1, stack="cross")]
    options = {
        "max_new_tokens": 4,
        "do_sample": False,
        "num_beams": 1,
        "eos_token_id": None,
        "forced_eos_token_id": None,
    }
    plain = model.hf_model.generate(INPUT, **options, output_logits=True, return_dict_in_generate=True)
    with model.edited(edits):
        found = model.hf_model.generate(INPUT, **options, output_logits=True, return_dict_in_generate=True)
    trace = model.trace(ids(7), target=found.sequences[0, :-1].tolist(), edits=edits)
    assert torch.allclose(torch.cat(found.logits), trace.logits, atol=1e-5)
    assert not torch.allclose(plain.logits[0], found.logits[0], atol=1e-3)


@pytest.mark.parametrize("what", ["attention", "output"])
@pytest.mark.parametrize("length", [5, 9])
def test_a_source_trace_of_another_length_raises(llama: attnscope.Model, what: Any, length: int) -> None:
    edits = [PatchHead(0, 0, llama.trace(ids(length)), what)]
    with llama.edited(edits), pytest.raises(InputError, match=f"of {length} queries, but this input has 7"):
        logits_of(llama.hf_model)


def test_weights_on_masked_keys_are_set_with_a_note(llama: attnscope.Model) -> None:
    even = np.full((7, 7), 1 / 7)
    trace = llama.trace(INPUT[0].tolist(), edits=[PatchHead(0, 1, even)])
    assert torch.allclose(trace.attention(0, 1), torch.full((7, 7), 1 / 7))
    assert any("query 0 on key 1, and 20 more" in one for one in trace.warnings), trace.warnings
    allowed = PatchHead(0, 1, np.tril(even))
    assert not any("masked keys" in one for one in llama.trace(INPUT[0].tolist(), edits=[allowed]).warnings)


def test_a_batch_is_edited_row_by_row(llama: attnscope.Model) -> None:
    with llama.edited([SetAttention(1, 2, 3, 1, 0.6)]):
        both = logits_of(llama.hf_model, torch.cat([INPUT, INPUT.flip(1)]))
        assert torch.allclose(both[1:], logits_of(llama.hf_model, INPUT.flip(1)), atol=1e-6)
        assert torch.allclose(both[:1], logits_of(llama.hf_model), atol=1e-6)


@pytest.mark.parametrize("family", ["llama", "bart"])
def test_a_generation_with_edits_is_that_of_the_edited_model_and_its_trace_shows_them(family: str) -> None:
    model = attnscope.Model(build(family))
    stack = {"stack": "decoder"}
    position = 2 if family == "bart" else 8
    edits = [CutEdge(1, 1, position, 1, **stack), ScaleHead(1, 0, -1, **stack), AddVector(0, 1, [0.5] * 32, **stack)]
    begun = {"target": [2, 9, 10]} if family == "bart" else {}
    made = model.generate(ids(7), 5, edits=edits, **begun)
    again = (
        model.trace(ids(7), target=[token.id for token in made.trace.tokens], edits=edits)
        if family == "bart"
        else model.trace([token.id for token in made.trace.tokens], edits=edits)
    )
    assert made.trace.edits == edits
    assert made.trace.certificate.ok
    for layer in range(2):
        for head in range(2):
            shown, whole = (one.attention(layer, head, "decoder") for one in (made.trace, again))
            assert torch.allclose(shown, whole, atol=1e-5)
            passed, other = (
                one.layer_record(layer, "decoder").output(torch.tensor([head]), torch.arange(len(shown)))
                for one in (made.trace, again)
            )
            assert torch.allclose(passed, other, atol=1e-5)
    assert float(made.trace.scores(1, 1, "decoder")[position, 1]) == -torch.inf
    assert made.trace.logits is not None
    assert again.logits is not None
    assert torch.allclose(made.trace.logits, again.logits, atol=1e-4)


def test_positions_of_new_tokens_may_be_named_where_tokens_are_added_and_nowhere_else() -> None:
    model = attnscope.Model(build("bart"))
    source, target = ids(7), [2, 9]

    def generated(edit: Edit) -> attnscope.Generation:
        return model.generate(source, 5, target=target, edits=[edit])

    assert float(generated(CutEdge(1, 0, 4, 3, stack="decoder")).trace.attention(1, 0, "decoder")[4, 3]) == 0.0
    assert float(generated(CutEdge(1, 0, 4, 6, stack="cross")).trace.attention(1, 0, "cross")[4, 6]) == 0.0
    for edit, says in (
        (CutEdge(1, 0, 7, 0, stack="encoder"), "query 7: positions go from 0 to 6"),
        (CutEdge(1, 0, 4, 7, stack="cross"), "key 7: positions go from 0 to 6"),
        (AddVector(1, 8, [0.5] * 32, stack="encoder"), "position 8: positions go from 0 to 6"),
        (CutEdge(1, 0, 9, 0, stack="decoder"), "query 9"),
    ):
        with pytest.raises(InputError, match=says):
            generated(edit)


@pytest.mark.parametrize("what", ["attention", "output"])
def test_a_generation_patched_with_its_own_prompt_is_the_same_to_the_last_bit(
    llama: attnscope.Model, what: Any
) -> None:
    prompt = llama.trace(ids(7))
    plain = llama.generate(ids(7), 4)
    patched = llama.generate(ids(7), 4, edits=[PatchHead(layer, 1, prompt, what) for layer in range(3)])
    assert plain.trace.logits is not None and patched.trace.logits is not None
    assert torch.equal(patched.trace.logits, plain.trace.logits)
    rows = [Planned(PatchHead(1, 1, llama.trace(ids(7)[::-1]), what), row=row) for row in (1, 5)]
    with llama.edited(rows):
        both = logits_of(llama.hf_model, torch.cat([INPUT, INPUT]))
    assert torch.equal(both[0], logits_of(llama.hf_model, torch.cat([INPUT, INPUT]))[0])
    assert not torch.allclose(both[0], both[1], atol=1e-4)
