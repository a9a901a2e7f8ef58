"""Effects of edits, compared with hooks on the transformers model and with sums over plain passes."""

from __future__ import annotations

import math

import pytest
import torch
from helpers import tiny_models

import attnscope
from attnscope.edits import AddVector, CutEdge, ScaleHead, SetAttention
from attnscope.errors import CancelledError, InputError, UnsupportedError
from attnscope.model.effects import passes

pytestmark = pytest.mark.core

PROMPT = tiny_models.ids(10)
ANSWER, FOIL = 5, 7
FAMILIES = ("gpt2", "llama", "gemma2", "gpt_oss")
W_O = {
    "gpt2": "transformer.h.{}.attn.c_proj",
    "llama": "model.layers.{}.self_attn.o_proj",
    "gemma2": "model.layers.{}.self_attn.o_proj",
    "gpt_oss": "model.layers.{}.self_attn.o_proj",
}


@pytest.fixture(scope="module", params=FAMILIES)
def family(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def model(family) -> attnscope.Model:
    return attnscope.Model(tiny_models.build(family))


@pytest.fixture(scope="module")
def llama() -> attnscope.Model:
    return attnscope.Model(tiny_models.build("llama"), tiny_models.words_tokenizer())


def logits_with(hf_model, path: str | None, head: int, factor: float, ids: list[int]) -> torch.Tensor:
    """Logits [token, vocab] of transformers' own model, with a head scaled by a hook before W_O."""

    def scale(_module, args):
        changed = args[0].clone().unflatten(-1, (4, -1))
        changed[:, :, head] *= factor
        return (changed.flatten(-2), *args[1:])

    handles = [] if path is None else [hf_model.get_submodule(path).register_forward_pre_hook(scale)]
    with torch.no_grad():
        found = hf_model(torch.tensor([ids])).logits[0].double()
    for handle in handles:
        handle.remove()
    return found


def traced_logits(model: attnscope.Model, edits, **options) -> torch.Tensor:
    found = model.trace(PROMPT, edits=edits, **options).logits
    assert found is not None
    return found.double()


def log_probability(hf_model, path: str | None, head: int, answer: list[int]) -> float:
    """Σ ln p(token | before), one pass for each token of the answer."""
    total = 0.0
    for number, token in enumerate(answer):
        logits = logits_with(hf_model, path, head, 0.0, [*PROMPT, *answer[:number]])
        total += float(logits[-1].log_softmax(-1)[token])
    return total


def test_the_logit_difference_before_and_after_is_that_of_hooks(model, family):
    effect = model.effect(PROMPT, [ScaleHead(1, 2, 0.0)], answer=ANSWER, foil=FOIL)
    plain = logits_with(model.hf_model, None, 2, 0.0, PROMPT)[-1]
    ablated = logits_with(model.hf_model, W_O[family].format(1), 2, 0.0, PROMPT)[-1]
    assert effect.metric == "logit"
    assert effect.before == pytest.approx(float(plain[ANSWER] - plain[FOIL]), abs=1e-5)
    assert effect.after == pytest.approx(float(ablated[ANSWER] - ablated[FOIL]), abs=1e-5)
    assert effect.effect == effect.after - effect.before
    for logits, tokens in ((plain, effect.tokens_before), (ablated, effect.tokens_after)):
        wanted = logits.softmax(-1).topk(5)
        assert [ident for _, ident, _ in tokens] == wanted.indices.tolist()
        assert [probability for _, _, probability in tokens] == pytest.approx(wanted.values.tolist(), abs=1e-6)


def test_an_answer_of_several_tokens_is_scored_token_by_token_with_the_edit_everywhere(model, family):
    answer, foil = [5, 9, 11], [6, 8]
    effect = model.effect(PROMPT, ScaleHead(1, 2, 0.0), answer=answer, foil=foil)
    path = W_O[family].format(1)
    before, after = (
        log_probability(model.hf_model, where, 2, answer) - log_probability(model.hf_model, where, 2, foil)
        for where in (None, path)
    )
    assert effect.metric == "log_probability"
    assert effect.before == pytest.approx(before, abs=1e-5)
    assert effect.after == pytest.approx(after, abs=1e-5)
    assert abs(after - before) > 1e-3


@pytest.mark.parametrize("metric", ["logit", "probability", "log_probability", "ratio"])
def test_every_metric_by_name_and_as_an_object(llama, metric):
    edits = [CutEdge(1, 2, 9, 3)]
    by_name = llama.effect(PROMPT, edits, metric, answer=ANSWER, foil=FOIL)
    as_object = llama.effect(PROMPT, edits, attnscope.Metric(ANSWER, FOIL, metric))
    logits = traced_logits(llama, edits)[-1]
    p = logits.softmax(-1)
    wanted = {
        "logit": logits[ANSWER] - logits[FOIL],
        "probability": p[ANSWER] - p[FOIL],
        "log_probability": (p[ANSWER] / p[FOIL]).log(),
        "ratio": p[ANSWER] / p[FOIL],
    }
    assert by_name.after == as_object.after == pytest.approx(float(wanted[metric]), abs=1e-5)


def test_a_function_of_the_logits_is_a_metric(llama):
    effect = llama.effect(PROMPT, [ScaleHead(0, 1, 0.0)], lambda logits: float(logits[4, 6]) - float(logits[-1, 3]))
    plain, edited = (traced_logits(llama, edits) for edits in ((), [ScaleHead(0, 1, 0.0)]))
    assert effect.before == pytest.approx(float(plain[4, 6] - plain[-1, 3]), abs=1e-5)
    assert effect.after == pytest.approx(float(edited[4, 6] - edited[-1, 3]), abs=1e-5)
    assert effect.answer is None
    with pytest.raises(InputError, match="one number"):
        llama.effect(PROMPT, [], lambda logits: logits)


def test_without_an_answer_the_metric_is_about_the_most_probable_token(llama):
    trace = llama.trace(PROMPT)
    for text in (PROMPT, trace, llama.encode(PROMPT)):
        effect = llama.effect(text, [ScaleHead(1, 2, 0.0)])
        assert effect.answer == trace.next_tokens[0][0]
        assert effect.before == pytest.approx(math.log(trace.next_tokens[0][2]), abs=1e-5)


def test_many_variants_in_batches_equal_one_by_one(model, monkeypatch):
    variants = [[ScaleHead(layer, head, 0.0)] for layer in range(3) for head in range(4)]
    variants += [[CutEdge(1, 0, 9, 2), ScaleHead(2, 1, -1.0)], [SetAttention(0, 3, 9, 8, 0.9)], []]
    variants += [[AddVector(1, 4, [0.5] * 32)], [AddVector(0, None, [0.1] * 32, "input"), ScaleHead(1, 1, 2.0)]]
    monkeypatch.setattr(passes, "TOKENS_AT_ONCE", 60)
    found = model.effects(PROMPT, variants, answer=[5, 9], foil=FOIL)
    assert len(found) == len(variants)
    for one, edits in zip(found, variants, strict=True):
        assert one.edits == tuple(edits)
        assert one.after == pytest.approx(model.effect(PROMPT, edits, answer=[5, 9], foil=FOIL).after, abs=1e-5)
    assert found[14].after == pytest.approx(found[14].before, abs=1e-5)


def test_where_a_batch_computes_something_else_variants_run_one_by_one(llama):
    """A model that adds the number of rows to its logits."""
    hf_model = tiny_models.build("llama")

    def disturb(_module, _args, output):
        return output + output.shape[0] * torch.arange(output.shape[-1])

    hf_model.lm_head.register_forward_hook(disturb)
    disturbed = attnscope.Model(hf_model)
    variants = [[ScaleHead(1, head, 0.0)] for head in range(4)]
    found = disturbed.effects(PROMPT, variants, "logit", answer=ANSWER, foil=FOIL)
    plain = llama.effects(PROMPT, variants, "logit", answer=ANSWER, foil=FOIL)
    for one, other in zip(found, plain, strict=True):
        assert one.after == pytest.approx(other.after + (ANSWER - FOIL), abs=1e-4)


def test_encoders_and_encoder_decoders_are_measured(llama):
    bert = attnscope.Model(tiny_models.build("bert"))
    effect = bert.effect(PROMPT, [ScaleHead(1, 2, 0.0)], "logit", answer=ANSWER, position=6)
    assert effect.after == pytest.approx(float(traced_logits(bert, [ScaleHead(1, 2, 0.0)])[6, ANSWER]), abs=1e-5)
    with pytest.raises(InputError, match="position"):
        bert.effect(PROMPT, [], answer=ANSWER)
    bart = attnscope.Model(tiny_models.build("bart"))
    edit = ScaleHead(1, 1, 0.0, stack="cross")
    effect = bart.effect(PROMPT, [edit], "logit", answer=ANSWER, target=[4, 6])
    assert effect.after == pytest.approx(float(traced_logits(bart, [edit], target=[4, 6])[-1, ANSWER]), abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"metric": "accuracy"}, "`metric` must be one of"),
        ({"metric": 3}, "a function of the logits"),
        ({"metric": attnscope.Metric(5), "answer": 6}, "either a Metric or these"),
        ({"metric": lambda logits: 0.0, "answer": 6}, "Omit `answer`"),
        ({"foil": 6}, "needs an `answer`"),
        ({"answer": [5, 6], "position": 3}, "measured at the last position"),
        ({"top": -1}, "`top` must be"),
        ({"edits": "head 3"}, "`edits` must be a list of edits"),
        ({"edits": [ScaleHead(9, 0, 0.0)]}, "layers 0 to 2"),
        ({"edits": [CutEdge(0, 0, 12, 2)], "answer": [1, 2, 3]}, "positions go from 0 to 9"),
    ],
)
def test_what_cannot_be_measured_is_an_error(llama, arguments, says):
    with pytest.raises(InputError, match=says):
        llama.effect(PROMPT, **{"edits": [ScaleHead(1, 2, 0.0)], **arguments})


def test_traces_with_edits_and_of_other_models_are_errors(llama):
    with pytest.raises(InputError, match="made with edits"):
        llama.effect(llama.trace(PROMPT, edits=[ScaleHead(1, 2, 0.0)]), [])
    with pytest.raises(InputError, match="other weights"):
        llama.effect(attnscope.Model(tiny_models.build("gpt2")).trace(PROMPT), [])
    with pytest.raises(UnsupportedError, match="attention interface"):
        attnscope.Model(tiny_models.build("bloom")).effect(PROMPT, [ScaleHead(1, 2, 0.0)])


def test_an_observer_follows_and_cancels(llama, monkeypatch):
    monkeypatch.setattr(passes, "TOKENS_AT_ONCE", 30)

    class Watch:
        def __init__(self):
            self.seen = []

        def layer(self, done, total):
            self.seen.append((done, total))

        def cancelled(self):
            return len(self.seen) >= 2

    watch = Watch()
    with pytest.raises(CancelledError):
        llama.effects(PROMPT, [[ScaleHead(0, head, 0.0)] for head in range(4)] * 3, answer=ANSWER, observer=watch)
    assert watch.seen == [(2, 12), (4, 12)]
