"""Controls, compared with the same edits made elsewhere one by one."""

from __future__ import annotations

import itertools

import pytest
import torch
import transformers as tf
from helpers import tiny_models

import attnscope
from attnscope.edits import AddVector, CutEdge, MeanHead, PatchHead, ScaleHead, ScaleNeuron, SetAttention
from attnscope.errors import CancelledError, InputError
from attnscope.model.effects import passes

pytestmark = pytest.mark.core

PROMPT = tiny_models.ids(10)


@pytest.fixture(scope="module")
def llama() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())


@pytest.fixture(scope="module")
def gpt2() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("gpt2"))


def after(model: attnscope.Model, edits, *, prompt: list[int] = PROMPT) -> float:
    logits = model.trace(prompt, edits=edits).logits
    assert logits is not None
    return float(logits[-1].double().log_softmax(-1)[5])


def heads_of(variants) -> set:
    return {frozenset((edit.layer, edit.head) for edit in edits) for edits in variants}


def test_every_other_head_of_the_layer_is_a_control(llama):
    control = llama.control(PROMPT, [ScaleHead(1, 2, 0.0)], answer=5)
    assert control.variants == tuple((ScaleHead(1, head, 0.0),) for head in (0, 1, 3))
    assert control.where == ("1.0", "1.1", "1.3")
    assert control.after == pytest.approx(after(llama, [ScaleHead(1, 2, 0.0)]), abs=1e-5)
    assert control.before == pytest.approx(after(llama, []), abs=1e-5)
    wanted = [after(llama, edits) for edits in control.variants]
    assert control.values.tolist() == pytest.approx(wanted, abs=1e-5)
    sizes = [abs(value - control.before) for value in [control.after, *wanted]]
    assert control.rank == sorted(sizes, reverse=True).index(sizes[0]) + 1
    assert control.sentence == f"rank {control.rank:g} of 4"
    frame = control.frame()
    assert list(frame.columns) == ["variant", "where", "value", "effect", "is_edit"]
    assert frame.is_edit.tolist() == [True, False, False, False]
    assert frame.effect.tolist() == pytest.approx([control.effect, *control.effects.tolist()])


def test_edits_of_the_same_head_move_together_and_named_heads_are_no_controls(gpt2):
    edits = [CutEdge(1, 2, 9, 3), ScaleHead(1, 2, 0.5), ScaleHead(2, 0, 0.0)]
    control = gpt2.control(PROMPT, edits, answer=5)
    assert len(control.variants) == 9
    assert heads_of(control.variants) == {frozenset({(1, a), (2, b)}) for a in (0, 1, 3) for b in (1, 2, 3)}
    for variant in control.variants:
        assert variant[0].head == variant[1].head
        assert (variant[0].query, variant[0].key, variant[1].factor) == (9, 3, 0.5)
    wanted = [after(gpt2, edits) for edits in control.variants]
    assert control.values.tolist() == pytest.approx(wanted, abs=1e-5)


def test_equal_edits_of_several_heads_have_no_order_and_different_ones_do(gpt2):
    same = gpt2.control(PROMPT, [ScaleHead(1, 0, 0.0), ScaleHead(1, 1, 0.0)], answer=5)
    assert heads_of(same.variants) == {frozenset({(1, 2), (1, 3)})}
    different = gpt2.control(PROMPT, [ScaleHead(1, 0, 0.0), ScaleHead(1, 1, 2.0)], answer=5)
    assert {tuple(edit.head for edit in edits) for edits in different.variants} == {(2, 3), (3, 2)}
    mixed = gpt2.control(PROMPT, [ScaleHead(1, 0, 2.0)], answer=5, draws=2, seed=3)
    assert len(mixed.variants) == 2


def test_more_than_twenty_alternatives_are_drawn_without_replacement(gpt2):
    edits = [ScaleHead(layer, layer, 0.0) for layer in range(3)]  # 27 alternatives
    first = gpt2.control(PROMPT, edits, answer=5)
    assert len(set(first.variants)) == len(first.variants) == 20
    assert first.among == 21
    assert gpt2.control(PROMPT, edits, answer=5).variants == first.variants
    assert gpt2.control(PROMPT, edits, answer=5, seed=1).variants != first.variants
    assert len(gpt2.control(PROMPT, edits, answer=5, draws=100).variants) == 27
    assert len(gpt2.control(PROMPT, edits, answer=5, draws=4).variants) == 4


def test_alternatives_too_many_to_list_are_drawn_directly():
    config = tf.GPT2Config(vocab_size=99, n_embd=64, n_layer=2, n_head=32, n_positions=64)
    torch.manual_seed(0)
    model = attnscope.Model(tf.AutoModelForCausalLM.from_config(config).eval())
    edits = [ScaleHead(layer, head, 0.0) for layer in range(2) for head in range(4)]
    control = model.control(PROMPT, edits, answer=5, draws=30)
    assert len({frozenset(one) for one in control.variants}) == 30
    for variant in control.variants:
        assert all(edit.head >= 4 for edit in variant)
        assert len({(edit.layer, edit.head) for edit in variant}) == 8


def test_edits_of_shared_keys_and_values_move_by_group(llama):
    for vector in ("k", "v"):
        control = llama.control(PROMPT, [ScaleNeuron(1, 3, (0, 4), 0.0, vector)], answer=5)
        assert [edits[0].head for edits in control.variants] == [1]  # of the other group, at the same place
        assert control.values.tolist() == pytest.approx([after(llama, control.variants[0])], abs=1e-5)
    assert len(llama.control(PROMPT, [ScaleNeuron(1, 3, (0, 4), 0.0, "q")], answer=5).variants) == 3
    with pytest.raises(InputError, match="layer 1 has 2 groups of heads, of which the edits change 2"):
        llama.control(PROMPT, [ScaleNeuron(1, 3, 0, 0.0, "v"), ScaleHead(1, 0, 0.0)], answer=5)


def test_a_layer_with_one_head_has_no_control():
    config = tf.GPT2Config(vocab_size=99, n_embd=32, n_layer=2, n_head=1, n_positions=64)
    torch.manual_seed(0)
    model = attnscope.Model(tf.AutoModelForCausalLM.from_config(config).eval())
    with pytest.raises(InputError, match="layer 1 has 1 head, of which the edits change 1"):
        model.control(PROMPT, [ScaleHead(1, 0, 0.0)], answer=5)


def test_references_to_traces_are_those_of_the_new_head(gpt2):
    source = gpt2.trace(tiny_models.ids(12)[2:])
    control = gpt2.control(PROMPT, [PatchHead(1, 2, source, "output")], answer=5)
    wanted = [after(gpt2, [PatchHead(1, head, source, "output")]) for head in (0, 1, 3)]
    assert control.values.tolist() == pytest.approx(wanted, abs=1e-5)
    with pytest.raises(InputError, match="numbers of this head"):
        gpt2.control(PROMPT, [MeanHead(1, 2, [0.0] * 8)], answer=5)


@pytest.mark.parametrize("edit", [CutEdge(1, 2, 8, 3), SetAttention(1, 2, 8, 3, 0.5)])
def test_other_keys_are_visible_no_sinks_and_have_other_tokens(gpt2, edit):
    prompt = [*PROMPT[:5], PROMPT[3], *PROMPT[6:]]  # key 5 has the token of key 3
    control = gpt2.control(prompt, [edit], answer=5, over="keys")
    assert [edits[0].key for edits in control.variants] == [1, 2, 4, 6, 7, 8]
    assert float(control.values[2]) == pytest.approx(after(gpt2, control.variants[2], prompt=prompt), abs=1e-5)


def test_a_sink_may_be_a_control_of_a_sink_and_spans_keep_their_shape(gpt2):
    of_sink = gpt2.control(PROMPT, [CutEdge(1, 2, 3, 0)], answer=5, over="keys")
    assert [edits[0].key for edits in of_sink.variants] == [1, 2, 3]
    of_span = gpt2.control(PROMPT, [CutEdge(1, 2, (5, 7), (3, 4))], answer=5, over="keys")
    assert [edits[0].key for edits in of_span.variants] == [(1, 2)]
    together = gpt2.control(PROMPT, [CutEdge(1, 2, 4, 2), CutEdge(2, 0, 4, 2)], answer=5, over="keys")
    assert [tuple(edit.key for edit in edits) for edits in together.variants] == [(1, 1), (3, 3), (4, 4)]
    apart = gpt2.control(PROMPT, [CutEdge(1, 2, 4, 2), CutEdge(1, 2, 4, 3)], answer=5, over="keys")
    assert [frozenset(edit.key for edit in edits) for edits in apart.variants] == [frozenset({1, 4})]
    with pytest.raises(InputError, match="no other key"):
        gpt2.control(PROMPT, [CutEdge(1, 2, 1, 1)], answer=5, over="keys")


def test_keys_outside_a_window_are_no_controls():
    mistral = attnscope.Model(tiny_models.build("mistral"))
    control = mistral.control(PROMPT, [CutEdge(1, 2, 9, 7)], answer=5, over="keys")
    assert [edits[0].key for edits in control.variants] == [5, 6, 8, 9]


def test_other_rotary_pairs_of_the_same_head(llama, gpt2):
    edits = [ScaleNeuron(1, 2, (1, 5), 0.0, "q"), ScaleNeuron(1, 2, (1, 5), 0.0, "k")]
    control = llama.control(PROMPT, edits, answer=5, over="pairs")
    assert [[edit.dims for edit in one] for one in control.variants] == [
        [pair] * 2 for pair in ((0, 4), (2, 6), (3, 7))
    ]
    wanted = [after(llama, one) for one in control.variants]
    assert control.values.tolist() == pytest.approx(wanted, abs=1e-5)
    two = llama.control(PROMPT, [ScaleNeuron(1, 2, (0, 4, 1, 5), 0.0)], answer=5, over="pairs")
    assert [edits[0].dims for edits in two.variants] == [(2, 3, 6, 7)]
    single = gpt2.control(PROMPT, [ScaleNeuron(1, 2, (0, 4), 0.0)], answer=5, over="pairs")
    wanted = set(itertools.combinations((1, 2, 3, 5, 6, 7), 2))
    assert {edits[0].dims for edits in single.variants} == wanted


def test_random_vectors_have_the_norm_of_the_added_one(gpt2):
    vector = [0.5, -1.0] * 16
    control = gpt2.control(PROMPT, [AddVector(1, 4, vector), AddVector(2, 4, vector)], answer=5)
    assert control.over == "vectors"
    assert len(control.variants) == 20
    for one, other in control.variants:
        assert one.vector == other.vector != tuple(vector)
        assert torch.tensor(one.vector).norm() == pytest.approx(float(torch.tensor(vector).norm()), rel=1e-5)
    assert float(control.values[3]) == pytest.approx(after(gpt2, control.variants[3]), abs=1e-5)


def test_equal_effects_share_their_ranks(gpt2):
    control = gpt2.control(PROMPT, [ScaleHead(1, 2, 1.0)], answer=5)  # changes nothing, nor do the controls
    assert control.rank == 2.5
    assert control.sentence == "rank 2.5 of 4"


def test_results_arrive_batch_by_batch_and_can_be_cancelled(gpt2, monkeypatch):
    monkeypatch.setattr(passes, "TOKENS_AT_ONCE", 30)
    sizes = []
    edits = [ScaleHead(1, 2, 0.0), ScaleHead(2, 2, 0.0)]
    control = gpt2.control(PROMPT, edits, answer=5, on_result=lambda so_far: sizes.append(so_far.among))
    assert sizes == [2, 4, 6, 8, 10]
    assert control.among == 10

    class Stopping:
        def layer(self, done, total):
            self.done = done

        def cancelled(self):
            return getattr(self, "done", 0) >= 4

    with pytest.raises(CancelledError):
        gpt2.control(PROMPT, edits, answer=5, observer=Stopping())


@pytest.mark.parametrize(
    ("edits", "options", "says"),
    [
        ([], {}, "no edits"),
        ([ScaleHead(1, 2, 0.0)], {"over": "layers"}, "`over` must be one of"),
        ([ScaleHead(1, 2, 0.0)], {"over": "keys"}, "cannot be made for ScaleHead of head 1.2"),
        ([ScaleHead(1, 2, 0.0), AddVector(1, 2, [1.0] * 32)], {}, "AddVector"),
        ([ScaleHead(1, 2, 0.0)], {"draws": 0}, "`draws` must be"),
        ([ScaleHead(1, 2, 0.0)], {"seed": -1}, "`seed` must be"),
    ],
)
def test_what_cannot_be_controlled_is_an_error(gpt2, edits, options, says):
    with pytest.raises(InputError, match=says):
        gpt2.control(PROMPT, edits, answer=5, **options)


def test_a_name_mover_of_smollm2_stands_out_for_the_name_and_not_for_its_probability():
    model = attnscope.load("smollm2")
    prompt = model.encode("When Mary and John went to the store, John gave a drink to")
    edit = ScaleHead(23, 3, 0.0)
    difference = model.control(prompt, edit, answer=" Mary", foil=" John")
    probability = model.control(prompt, edit, "probability", answer=" Mary")
    for control in (difference, probability):
        logits = model.trace(prompt, edits=[edit]).logits
        assert logits is not None
        mary, john = (model.tokenizer.encode(name)[0] for name in (" Mary", " John"))
        wanted = logits[-1, mary] - logits[-1, john] if control is difference else logits[-1].softmax(-1)[mary]
        assert control.after == pytest.approx(float(wanted), abs=1e-3)
    assert difference.sentence == "rank 1 of 9"
    assert difference.effect < -2
    assert probability.rank > 1
