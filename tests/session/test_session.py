"""The session: the response to each type of request, and the errors for bad ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.session_requests import LayerGate, ask, error_of

from attnscope.errors import InputError, UnreachableError, UnsupportedError
from attnscope.session import Example, InputText, Limits, ModelEntry, Session, StoredTrace
from attnscope.testing.fake_model import FakeModel
from attnscope.wire import decode

pytestmark = pytest.mark.core


@pytest.fixture
def session() -> Session:
    return Session([ModelEntry.loaded(FakeModel())])


def traced(session: Session, text: str = "a b c d", **fields: object) -> str:
    return ask(session, type="run", text=text, **fields)[-1].body["trace"]


def test_hello_lists_models_examples_requests_and_limits():
    examples = [Example("Fox", "a fox", model="fake", figure="1"), Example("Other", "b", model="missing")]
    models = [ModelEntry.loaded(FakeModel()), ModelEntry("later", "Later", "encoder", FakeModel)]
    (hello,) = ask(Session(models, examples=examples), type="hello")
    assert hello.body["models"] == [
        {"name": "fake", "title": "Fake model", "kind": "decoder", "loaded": True, "chat": False, "takes": ["text"]},
        {"name": "later", "title": "Later", "kind": "encoder", "loaded": False, "chat": None, "takes": None},
    ]
    assert hello.body["model"] == "fake"
    assert [example["title"] for example in hello.body["examples"]] == ["Fox"]
    assert hello.body["can"] == [
        "run", "generate", "patch", "states", "effect", "control", "edits", "trace", "overview", "layer", "tile", "values",
        "edge", "align", "check", "save", "open", "cancel",
    ]  # fmt: skip
    assert hello.body["trace"] is None
    assert hello.body["limits"] == {
        "tokens": 4096, "characters": 200_000, "new_tokens": 512, "image_bytes": 8 * 2**20, "file_bytes": 256 * 2**20
    }  # fmt: skip


def test_a_run_reports_every_layer_and_its_trace_can_be_requested_again(session):
    responses = ask(session, type="run", text="one two", pair="three")
    assert [(r.type, r.body.get("done")) for r in responses] == [
        ("progress", 1),
        ("progress", 2),
        ("progress", 3),
        ("trace", None),
    ]
    body = responses[-1].body
    assert [(t["text"], t["sentence"]) for t in body["tokens"]["text"]] == [
        (" one", "A"),
        (" two", "A"),
        (" three", "B"),
    ]
    assert body["input"] == {"text": "one two", "pair": "three", "target": None}
    assert body["stacks"]["decoder"]["shapes"] == [{"heads": 4, "kv_heads": 2, "qk_dim": 8, "v_dim": 8}] * 3
    assert body["certificate"]["ok"] is True
    assert ask(session, type="trace", trace=body["trace"])[-1].body == body


def test_layer_and_tile_responses_match_the_trace(session):
    trace = FakeModel().trace("a b c d")
    assert traced(session) == trace.id
    layer = ask(session, type="layer", trace=trace.id, stack="decoder", layer=2)[-1]
    assert np.array_equal(layer.tensors["q"], trace.layer_record(2).q.half().numpy())
    tile = ask(session, type="tile", trace=trace.id, stack="decoder", layer=2, heads=[3, 1], rows=[2])[-1]
    wanted = torch.stack([trace.attention(2, head, rows=[2]) for head in (3, 1)])
    assert np.array_equal(tile.tensors["attention"], wanted.numpy())
    assert tile.tensors["scores"].shape == (2, 1, 4)


def test_a_check_reports_progress_and_returns_the_full_certificate(session):
    responses = ask(session, type="check", trace=traced(session))
    assert [r.body.get("stage") for r in responses] == ["check"] * 3 + [None]
    assert responses[-1].body["certificate"]["scope"] == "full"


@pytest.mark.parametrize(
    ("fields", "code", "sentence"),
    [
        ({"type": "dance"}, "bad_request", "Unknown request type 'dance'"),
        ({"type": "run"}, "bad_request", "`text` must be a string; got nothing"),
        ({"type": "run", "text": ["a"]}, "bad_request", "got a list"),
        ({"type": "run", "text": ""}, "bad_request", "The text is empty"),
        ({"type": "run", "text": "a", "pair": 5}, "bad_request", "`pair` must be a string"),
        ({"type": "run", "text": "a", "pair": "\udfff"}, "bad_request", "half a character"),
        ({"type": "run", "text": "a", "model": "gpt9"}, "unknown", "Unknown model 'gpt9'. This session has fake."),
        ({"type": "trace", "trace": "x"}, "unknown", "Run the text again"),
        ({"type": "check", "trace": "x"}, "unknown", "Run the text again"),
        ({"type": "cancel"}, "bad_request", "`target` must be a string"),
        ({"type": "layer", "stack": "cross", "layer": 0}, "bad_request", "no stack 'cross'; it has decoder"),
        ({"type": "layer", "stack": "decoder"}, "bad_request", "`layer` must be a layer index"),
        ({"type": "layer", "stack": "decoder", "layer": 3}, "bad_request", "valid indices are 0 to 2"),
        ({"type": "layer", "stack": "decoder", "layer": -1}, "bad_request", "valid indices are 0 to 2"),
        ({"type": "layer", "stack": "decoder", "layer": True}, "bad_request", "got a bool"),
        ({"type": "layer", "stack": "decoder", "layer": 1.0}, "bad_request", "got a float"),
        ({"type": "layer", "stack": "decoder", "layer": 10**300}, "bad_request", "valid indices are 0 to 2"),
        (
            {"type": "tile", "stack": "decoder", "layer": 0, "heads": [], "rows": [0]},
            "bad_request",
            "`heads` must be a list",
        ),
        (
            {"type": "tile", "stack": "decoder", "layer": 0, "heads": [4], "rows": [0]},
            "bad_request",
            "valid indices are 0 to 3",
        ),
        (
            {"type": "tile", "stack": "decoder", "layer": 0, "heads": [0], "rows": [4]},
            "bad_request",
            "valid indices are 0 to 3",
        ),
        ({"type": "tile", "stack": "decoder", "layer": 0, "heads": [0], "rows": [0] * 5}, "bad_request", "there are 4"),
    ],
)
def test_a_bad_request_is_answered_with_an_error(session, fields, code, sentence):
    fields = {"trace": traced(session), **fields} if fields["type"] in ("layer", "tile") else fields
    found, message = error_of(ask(session, **fields))
    assert found == code
    assert sentence in message


@pytest.mark.parametrize("data", [b"", b"1234567", b"\xff" * 100, (10**6).to_bytes(8, "little") + b"{}"])
def test_invalid_bytes_are_answered_with_an_error(session, data):
    responses: list[bytes] = []
    session.respond(data, responses.append)
    assert error_of([decode(responses[-1])])[0] == "bad_request"


def test_characters_are_checked_before_tokenizing_and_tokens_before_the_forward_pass(monkeypatch):
    gate = LayerGate()
    model = FakeModel(on_layer=gate)
    session = Session([ModelEntry.loaded(model)], limits=Limits(tokens=10, characters=100))
    code, message = error_of(ask(session, type="run", text="a " * 11))
    assert (code, "11 tokens" in message, "at most 10" in message) == ("too_large", True, True)
    monkeypatch.setattr(FakeModel, "count_tokens", None)
    for fields in ({"text": "a " * 500_000}, {"text": "a" * 60, "pair": "b" * 41}):
        code, message = error_of(ask(session, type="run", **fields))
        assert (code, "at most 100" in message) == ("too_large", True)
    assert gate.passes == 0


def test_a_trace_that_is_too_large_is_rejected_before_the_forward_pass():
    gate = LayerGate()
    session = Session([ModelEntry.loaded(FakeModel(on_layer=gate))], limits=Limits(trace_bytes=1000))
    code, message = error_of(ask(session, type="run", text="a b c d"))
    assert (code, "at most 1,000" in message) == ("too_large", True)
    assert gate.passes == 0


def test_least_recently_used_traces_are_dropped_when_the_budget_is_exceeded():
    size = FakeModel().trace("a b c d").nbytes
    session = Session([ModelEntry.loaded(FakeModel())], limits=Limits(trace_bytes=2 * size))
    first, second = traced(session, "a b c d"), traced(session, "e f g h")
    ask(session, type="trace", trace=first)
    third = traced(session, "i j k l")
    kept = [ask(session, type="trace", trace=ident)[-1].type for ident in (first, second, third)]
    assert kept == ["trace", "error", "trace"]


def test_a_model_is_loaded_when_first_needed_and_again_after_a_failure():
    calls: list[str] = []

    def load() -> FakeModel:
        calls.append("load")
        if len(calls) == 1:
            raise UnreachableError("The hub does not answer.")
        return FakeModel()

    session = Session([ModelEntry("fake", "Fake", "decoder", load)])
    ask(session, type="hello")
    assert calls == []
    assert error_of(ask(session, type="run", text="a")) == ("unreachable", "The hub does not answer.")
    responses = ask(session, type="run", text="a")
    assert responses[-1].type == "trace"
    assert ask(session, type="run", text="b")[-1].type == "trace"
    assert calls == ["load", "load"]


def test_an_unsupported_model_is_reported_to_the_page():
    def refuse(_layer: int) -> None:
        raise UnsupportedError("This model cannot be shown exactly.")

    session = Session([ModelEntry.loaded(FakeModel(on_layer=refuse))])
    assert error_of(ask(session, type="run", text="a")) == ("unsupported", "This model cannot be shown exactly.")


def test_an_unexpected_exception_is_an_internal_error_and_is_logged_with_its_traceback(caplog):
    def fail(_layer: int) -> None:
        raise ZeroDivisionError("secret detail")

    session = Session([ModelEntry.loaded(FakeModel(on_layer=fail))])
    code, message = error_of(ask(session, type="run", text="a"))
    assert (code, "ZeroDivisionError" in message, "secret" in message) == ("internal", True, False)
    assert caplog.records[0].exc_info[0] is ZeroDivisionError


def test_a_session_without_a_model_shows_traces_and_reports_what_is_unsupported():
    trace = FakeModel().trace("a b")
    session = Session(traces=[StoredTrace(trace, None, InputText("a b"))])
    hello = ask(session, type="hello")[0].body
    can = ["edits", "trace", "overview", "layer", "tile", "values", "edge", "align", "save", "open", "cancel"]
    assert (hello["model"], hello["can"]) == (None, can)
    assert hello["trace"] == trace.id
    assert ask(session, type="trace", trace=trace.id)[0].body["model"]["name"] is None
    assert error_of(ask(session, type="run", text="a"))[0] == "unsupported"
    assert error_of(ask(session, type="check", trace=trace.id))[0] == "unsupported"


def test_an_unknown_default_model_is_an_error():
    with pytest.raises(InputError, match="'other' is not one of the session's models: fake"):
        Session([ModelEntry.loaded(FakeModel())], model="other")


@pytest.mark.parametrize("name", ["smollm2", "minilm"])
def test_a_real_model_runs_end_to_end(name, request):
    model = request.getfixturevalue(name)
    session = Session([ModelEntry.loaded(model)])
    pair = "the cat lay on the rug" if name == "minilm" else None
    responses = ask(session, type="run", text="the cat sat on the mat", pair=pair)
    body = responses[-1].body
    (stack,) = body["stacks"]
    layers = body["stacks"][stack]["layers"]
    assert [r.body["done"] for r in responses[:-1]] == list(range(1, layers + 1))
    assert body["certificate"]["ok"] is True
    trace = model.trace("the cat sat on the mat", pair)
    assert trace.id == body["trace"]
    for layer in range(layers):
        message = ask(session, type="layer", trace=trace.id, stack=stack, layer=layer)[-1]
        assert message.body["error"] <= 1e-3
    check = ask(session, type="check", trace=trace.id)[-1]
    assert check.body["certificate"]["ok"] is True
    long = error_of(ask(session, type="run", text="word " * 20_000))
    assert long[0] == "too_large"


def test_an_overview_comes_layer_by_layer_with_the_largest_weight_of_each_cell(session):
    trace = traced(session, "a b c d e")
    stack = next(iter(ask(session, type="trace", trace=trace)[-1].body["stacks"]))
    responses = ask(session, type="overview", trace=trace, stack=stack)
    assert [r.body["layer"] for r in responses] == list(range(len(responses)))
    for response in responses:
        heads, rows, columns = (response.body[name] for name in ("heads", "rows", "columns"))
        assert response.tensors["thumbnails"].shape == (heads, rows, columns) and response.body["pooled"] == [1, 1]
        where = {"trace": trace, "stack": stack, "layer": response.body["layer"]}
        (tile,) = ask(session, type="tile", **where, heads=list(range(heads)), rows=list(range(rows)))
        expected = np.rint(255 * np.sqrt(tile.tensors["attention"]))
        assert np.abs(response.tensors["thumbnails"] - expected).max() <= 1


def test_an_overview_of_an_unknown_stack_is_an_error(session):
    assert error_of(ask(session, type="overview", trace=traced(session), stack="cross"))[0] == "bad_request"


def test_an_overview_stops_when_the_client_disconnects(session):
    trace = traced(session)
    stack = next(iter(ask(session, type="trace", trace=trace)[-1].body["stacks"]))
    assert (
        error_of(ask(session, type="overview", trace=trace, stack=stack, disconnected=lambda: True))[0] == "cancelled"
    )


def test_export_is_offered_only_by_a_session_with_an_exporter():
    asked = {}

    def exporter(trace, **how):
        asked.update(how)
        return f"<html>{trace.id}"

    [hello] = ask(Session([ModelEntry.loaded(FakeModel())]), type="hello")
    assert "export" not in hello.body["can"]
    session = Session([ModelEntry.loaded(FakeModel())], exporter=exporter)
    trace = ask(session, type="run", text="a b c")[-1].body["trace"]
    stack = next(iter(ask(session, type="trace", trace=trace)[-1].body["stacks"]))
    [answer] = ask(session, type="export", trace=trace, stack=stack, layer=0, heads=[0], address="pins=q1")
    assert bytes(answer.tensors["html"]).decode() == f"<html>{trace}"
    most = session.limits.answer_bytes
    assert asked == {
        "stack": stack,
        "layer": 0,
        "heads": [0],
        "address": "pins=q1",
        "baseline": None,
        "effect": None,
        "max_bytes": most,
    }


@pytest.mark.parametrize("fields", [{"type": "run"}, {"type": "run", "pair": "a dog"}, {"type": "generate"}])
def test_a_text_is_tokenized_only_once(smollm2, monkeypatch, fields):
    session = Session([ModelEntry.loaded(smollm2)])
    smollm2.trace("warm")  # the tokenizer is probed on the first call
    tokenized: list[object] = []
    own = type(smollm2.tokenizer).__call__

    def counting(self, *texts, **options):
        tokenized.append(texts)
        return own(self, *texts, **options)

    monkeypatch.setattr(type(smollm2.tokenizer), "__call__", counting)
    assert ask(session, text="a cat sat", max_new_tokens=1, **fields)[-1].type == "trace"
    assert tokenized == [("a cat sat", "a dog") if "pair" in fields else ("a cat sat",)]
