"""An exported file with a baseline, without a browser."""

from __future__ import annotations

import re

import pytest
import torch
from helpers.exported_pages import blocks, messages, vectors
from helpers.session_requests import ask

import attnscope
from attnscope import edits
from attnscope.errors import InputError
from attnscope.offline import document, page
from attnscope.session import ModelEntry, Session
from attnscope.wire import Message

TEXT = "The doctor asked the nurse a question about the patient. She"
LAYER = 25


@pytest.fixture(scope="module")
def passes(smollm2) -> tuple[attnscope.Trace, attnscope.Trace]:
    """A pass with a head off, and the same without."""
    return smollm2.trace(TEXT, edits=[edits.ScaleHead(LAYER, 3, 0)]), smollm2.trace(TEXT)


@pytest.fixture(scope="module")
def html(smollm2, passes: tuple[attnscope.Trace, attnscope.Trace]) -> str:
    after, before = passes
    return document(after, baseline=before, model=smollm2).html


def weights(message: Message) -> torch.Tensor:
    """The attention [head, query, key] that a page computes from a packed layer of SmolLM2."""
    q, k = vectors(message, "q"), vectors(message, "k").repeat_interleave(3, 0)
    scores = q @ k.mT * message.body["scaling"]
    return torch.softmax(scores.masked_fill(~torch.ones(scores.shape[1:]).tril().bool(), -torch.inf), -1)


def exact(trace: attnscope.Trace, layer: int) -> torch.Tensor:
    return torch.stack([trace.attention(layer, head) for head in range(9)])


def test_layers_below_the_change_are_stored_once(passes, html):
    after, before = passes
    [hello] = messages(html, "hello")
    assert hello.body["trace"] == after.id
    assert hello.body["file"]["baseline"]["trace"] == before.id
    shared = hello.body["file"]["baseline"]["shared"]
    assert shared["layer decoder"] == list(range(LAYER + 1))  # the head is off behind its own attention
    assert shared["overview decoder"] == list(range(LAYER + 1))
    assert shared["values decoder"] == list(range(LAYER))
    names = blocks(html)
    assert [name for name in names if re.fullmatch(r"layer decoder \d+", name)] == [
        f"layer decoder {n}" for n in range(30)
    ]
    own = [name for name in names if name.startswith("baseline layer")]
    assert own == [f"baseline layer decoder {n}" for n in range(LAYER + 1, 30)]
    assert len(html) < 1.25 * len(document(after).html)
    assert {"align", "effect", "overview", "edge", "values"} <= {*hello.body["can"]}
    assert not {"run", "control", "generate", "tile"} & {*hello.body["can"]}


def test_both_passes_and_their_difference_are_those_of_python(passes, html):
    after, before = passes
    differences = {one.body["layer"]: one for one in messages(html, "difference decoder")}
    for layer in (3, LAYER, LAYER + 1, 29):
        [now] = messages(html, f"layer decoder {layer}")
        then = messages(html, f"baseline layer decoder {layer}")[0] if layer > LAYER else now
        assert (weights(now) - exact(after, layer)).abs().max().item() <= 1e-4
        assert (weights(then) - exact(before, layer)).abs().max().item() <= 1e-4
        off = (weights(now) - weights(then)) - (exact(after, layer) - exact(before, layer))
        assert off.abs().max().item() <= 2e-4
        message = differences[layer]
        assert message.body["baseline"] == before.id
        assert message.body["unchanged"] is (layer <= LAYER)
        true = exact(after, layer) - exact(before, layer)
        assert message.body["largest"] == pytest.approx(true.abs().max().item(), abs=1e-6)
        assert {*message.tensors} == (set() if layer <= LAYER else {"difference"})
        if layer > LAYER:
            thumbnail = torch.from_numpy(message.tensors["difference"]).float() / 127
            assert (thumbnail.sign() * thumbnail**2 - true).abs().max().item() < 0.01


def test_the_baseline_has_its_own_tokens_prediction_and_thumbnails(passes, html):
    _, before = passes
    [traced] = messages(html, "baseline trace")
    assert traced.body["trace"] == before.id and traced.body["edits"] == []
    assert traced.body["next"][0]["probability"] == pytest.approx(before.next_tokens[0][2])
    own = messages(html, "baseline overview decoder")
    assert [one.body["layer"] for one in own] == list(range(LAYER + 1, 30))
    assert own[-1].body["last"] and not own[0].body["last"]
    root = torch.from_numpy(own[0].tensors["thumbnails"]).float() / 255
    assert (root**2 - exact(before, LAYER + 1)).abs().max().item() < 0.005
    [alignment] = messages(html, "align")
    assert alignment.body["identical"] and alignment.body["sides"]["text"] == list(range(len(before.tokens)))


def test_the_effect_is_that_of_the_model_or_the_page_says_why_it_is_unknown(passes, html):
    after, before = passes
    [effect] = messages(html, "effect")
    body = effect.body
    chances = [trace.logits[-1].double().softmax(-1) for trace in (before, after)]
    assert body["moved"] == pytest.approx((chances[0] - chances[1]).abs().sum().item() / 2, abs=1e-5)
    assert {body["tokens"][0]["id"]} == {int(chances[1].argmax())}
    for token in body["tokens"]:
        for chance, name in zip(chances, ("before", "after"), strict=True):
            assert token[name]["probability"] == pytest.approx(chance[token["id"]].item(), abs=1e-5)
            assert token[name]["rank"] == 1 + int((chance > chance[token["id"]]).sum())
    [reason] = messages(document(after, baseline=before, layers=[2]).html, "effect")
    assert reason.type == "error" and reason.body["code"] == "unsupported"
    assert "exported without its model" in reason.body["message"]


def test_a_page_exported_by_a_session_has_the_effect_that_was_on_show(smollm2):
    session = Session([ModelEntry.loaded(smollm2)], exporter=page)
    before = ask(session, type="run", text=TEXT)[-1].body["trace"]
    off = edits.ScaleHead(LAYER, 3, 0).as_json()
    after = ask(session, type="run", text=TEXT, edits=[off])[-1].body["trace"]
    place = {"stack": "decoder", "layer": 2, "heads": [1]}
    [answer] = ask(
        session, type="export", trace=after, baseline=before, **place, address="field=before", effect={"answer": " The"}
    )
    html = bytes(answer.tensors["html"]).decode()
    assert f"baseline={before}&amp;field=before" in html
    [effect] = messages(html, "effect")
    assert effect.body["metric"]["answer"]["text"] == " The"
    [shown] = ask(session, type="effect", trace=after, baseline=before, answer=" The")
    assert effect.body == shown.body
    wrong = ask(session, type="export", trace=after, baseline=before, **place, effect=5)[-1]
    assert wrong.body["code"] == "bad_request" and "`effect` must be an object" in wrong.body["message"]


def test_a_page_of_two_prompts_starts_with_the_field_and_has_the_chosen_layers_of_both(smollm2, passes):
    _, before = passes
    after = smollm2.trace(TEXT.replace("nurse", "clerk"))
    written = document(after, baseline=before, field="before", layers=[2, 29])
    assert 'data-start="layer=2&amp;baseline=' in written.html and f"{before.id}&amp;field=before" in written.html
    [hello] = messages(written.html, "hello")
    assert hello.body["file"]["baseline"]["shared"] == {}
    for prefix in ("", "baseline "):
        named = [name for name in blocks(written.html) if name.startswith(f"{prefix}layer")]
        assert named == [f"{prefix}layer decoder {layer}" for layer in (2, 29)]
        [traced] = messages(written.html, f"{prefix}trace")
        assert traced.body["stacks"]["decoder"]["left_out"] == [n for n in range(30) if n not in (2, 29)]
    [alignment] = messages(written.html, "align")
    assert len(alignment.body["substituted"]) == 1
    assert "field=difference" in document(after, baseline=before, layers=[2]).html


def test_a_baseline_with_which_nothing_can_be_compared_is_an_error(smollm2, minilm, passes, tmp_path):
    after, _ = passes
    with pytest.raises(InputError, match="is the same trace"):
        attnscope.export(after, tmp_path / "same.html", baseline=after)
    with pytest.raises(InputError):
        attnscope.export(after, tmp_path / "other.html", baseline=minilm.trace("the cat"))
    with pytest.raises(InputError, match="`model` needs a `baseline`"):
        attnscope.export(after, tmp_path / "alone.html", model=smollm2)
    with pytest.raises(InputError, match="or a list of two"):
        attnscope.export(after, tmp_path / "three.html", baseline=passes[1], model=[smollm2])
    assert not [*tmp_path.iterdir()]
