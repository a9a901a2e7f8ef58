"""`save` and `open`: traces of a session as a workspace file, and trace and workspace files as traces of a session."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from helpers.random_traces import random_trace

import attnscope
from attnscope import edits
from attnscope.errors import MissingError
from attnscope.session import Limits, ModelEntry, Session
from attnscope.testing import FakeModel
from attnscope.wire import Message, decode, encode

pytestmark = pytest.mark.core
ABLATED = {"type": "ScaleHead", "layer": 1, "head": 2, "factor": 0.0}


def ask(session: Session, kind: str, file: bytes | None = None, **fields: object) -> Message:
    """The last response to a request, which may have a file."""
    responses: list[Message] = []
    tensors = {} if file is None else {"file": np.frombuffer(file, np.uint8)}
    session.respond(encode(Message(kind, "1", fields, tensors)), lambda data: responses.append(decode(data)))
    return responses[-1]


def traced(session: Session, **fields: object) -> str:
    return ask(session, "run", **{"text": "a b c d", **fields}).body["trace"]


def file_of(message: Message) -> bytes:
    assert message.type == "save", message.body
    return message.tensors["file"].tobytes()


def error_in(message: Message) -> tuple[str, str]:
    assert message.type == "error"
    return message.body["code"], message.body["message"]


@pytest.fixture
def session() -> Session:
    return Session([ModelEntry.loaded(FakeModel())])


def saved(session: Session, **fields: object) -> tuple[list[str], bytes]:
    """A run and the same run with an edit, and the workspace file of both."""
    ids = [traced(session), traced(session, edits=[ABLATED])]
    return ids, file_of(ask(session, "save", traces=ids, current=ids[1], baseline=ids[0], **fields))


def test_what_was_saved_is_what_is_opened(session: Session) -> None:
    said = {
        "edits": [ABLATED],
        "trail": [{"title": "Start", "address": "v=head"}],
        "notes": "Head 1.2 ∂ matters.",
        "state": {"field": "difference", "open": [1, None]},
    }
    ids, file = saved(session, **said)
    other = Session([ModelEntry.loaded(FakeModel())])
    opened = ask(other, "open", file, name="a.workspace")
    body = {name: opened.body[name] for name in opened.body if name != "last"}
    assert body == {"kind": "workspace", "traces": ids, "current": ids[1], "baseline": ids[0], **said}
    before, after = (ask(session, "trace", trace=ids[1]), ask(other, "trace", trace=ids[1]))
    assert {name: value for name, value in after.body.items() if name != "certificate"} == {
        name: value for name, value in before.body.items() if name not in ("certificate", "input")
    } | {"input": after.body["input"]}
    assert after.body["certificate"]["recorded"] is True


def test_a_saved_workspace_opens_in_python(session: Session, tmp_path: Path) -> None:
    ids, file = saved(session, notes="seen")
    (tmp_path / "a.workspace").write_bytes(file)
    opened = attnscope.open(tmp_path / "a.workspace")
    assert [trace.id for trace in opened.traces] == ids and opened.notes == "seen"
    assert opened.current.edits == [edits.ScaleHead(1, 2, factor=0.0)]
    assert torch.equal(opened.baseline.q(0, 0), session.trace(ids[0]).q(0, 0))


def test_the_name_is_made_of_the_first_words(session: Session) -> None:
    ident = traced(session, text="Le thé, c'est bon: " + "long " * 30)
    answer = ask(session, "save", traces=[ident], current=ident)
    assert answer.body["name"] == "le-thé-c-est-bon-long-long-long-long.workspace"


def test_a_trace_that_an_edit_refers_to_is_saved_too(session: Session) -> None:
    source, ident = traced(session, text="e f g h"), traced(session)
    patch = {"type": "PatchHead", "layer": 1, "head": 2, "source": {"trace": source}, "what": "output"}
    missing = {"type": "PatchHead", "layer": 1, "head": 3, "source": {"trace": "0" * 32}, "what": "output"}
    file = file_of(ask(session, "save", traces=[ident], current=ident, edits=[patch, missing]))
    other = Session([ModelEntry.loaded(FakeModel())])
    opened = ask(other, "open", file)
    assert opened.body["traces"] == [ident, source] and opened.body["edits"] == [patch, missing]
    assert ask(other, "run", text="a b c d", edits=[patch]).type == "trace"


def test_a_trace_file_is_opened_alone(session: Session, tmp_path: Path) -> None:
    trace = session.trace(traced(session, edits=[ABLATED]))
    trace.save(tmp_path / "a.trace")
    opened = ask(Session([ModelEntry.loaded(FakeModel())]), "open", (tmp_path / "a.trace").read_bytes())
    assert opened.body == {
        "last": True, "kind": "trace", "traces": [trace.id], "current": trace.id, "baseline": None,
        "edits": [ABLATED], "trail": [], "notes": "", "state": {},
    }  # fmt: skip


def test_an_opened_trace_gets_the_model_that_made_it(session: Session) -> None:
    ids, file = saved(session)
    same, unlike, none = (
        Session([ModelEntry.loaded(FakeModel(name="other")), ModelEntry.loaded(FakeModel())]),
        Session([ModelEntry.loaded(FakeModel(name="other"))]),
        Session(),
    )
    for other, name in ((same, "fake"), (unlike, None), (none, None)):
        assert ask(other, "open", file).type == "open"
        assert ask(other, "trace", trace=ids[0]).body["model"]["name"] == name
        check = ask(other, "check", trace=ids[0])
        assert (check.type == "check") == (name is not None)
        assert name is not None or "has no model" in error_in(check)[1]


def test_a_model_of_the_same_name_is_loaded_for_it(session: Session) -> None:
    ids, file = saved(session)
    loads: list[str] = []

    def entry(name: str) -> ModelEntry:
        return ModelEntry(name, name.title(), "decoder", lambda: loads.append(name) or FakeModel(name=name))

    other = Session([entry("other"), entry("fake")])
    assert ask(other, "open", file).type == "open"
    assert loads == ["fake"] and ask(other, "trace", trace=ids[1]).body["model"]["name"] == "fake"


def test_a_trace_that_is_stored_with_its_model_keeps_it(session: Session) -> None:
    ids, file = saved(session)
    before = session.trace(ids[0])
    assert ask(session, "open", file).type == "open"
    assert session.trace(ids[0]) is before


def test_a_session_can_start_with_a_workspace(session: Session) -> None:
    ids, _ = saved(session)
    before, after = (session.trace(ident) for ident in ids)
    workspace = attnscope.Workspace([before, after], current=after, baseline=before, notes="n", state={"a": 1})
    started = Session([ModelEntry.loaded(FakeModel())], workspace=workspace)
    hello = ask(started, "hello").body
    assert hello["trace"] == after.id
    assert hello["workspace"] == {
        "kind": "workspace", "traces": ids, "current": ids[1], "baseline": ids[0], "edits": [ABLATED], "trail": [],
        "notes": "n", "state": {"a": 1},
    }  # fmt: skip
    assert ask(started, "trace", trace=ids[0]).body["model"]["name"] == "fake"
    assert ask(session, "hello").body["workspace"] is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"traces": []}, "`traces` must be a list of 1 to 256 ids"),
        ({"traces": "all"}, "`traces` must be a list of at most 256 strings"),
        ({"current": None}, "`current` must be a string"),
        ({"current": "0" * 32}, "`current` must be one of `traces`"),
        ({"baseline": "0" * 32}, "`baseline` must be one of `traces`"),
        ({"edits": [{"type": "Explode"}]}, "Unknown type of edit 'Explode'"),
        ({"trail": [{"title": 5, "address": ""}]}, r"`trail[0]` must have a `title`"),
        ({"notes": 5}, "`notes` must be a string"),
        ({"state": [1]}, "`state` must be a JSON object"),
        ({"state": {"a": "x" * 2_000_000}}, "`state` has 2,000,009 characters as JSON"),
    ],
)
def test_a_request_to_save_that_does_not_fit_is_named(session: Session, fields: dict[str, Any], message: str) -> None:
    ident = traced(session)
    answer = ask(session, "save", **{"traces": [ident], "current": ident, **fields})
    code, said = error_in(answer)
    assert code in ("bad_request", "too_large") and message in said


def test_an_unknown_trace_cannot_be_saved(session: Session) -> None:
    code, said = error_in(ask(session, "save", traces=["0" * 32], current="0" * 32))
    assert code == "unknown" and "no longer in this session" in said


def test_a_file_that_is_too_large_is_not_made_and_not_opened(session: Session) -> None:
    _, file = saved(session)
    small = Session([ModelEntry.loaded(FakeModel())], limits=Limits(file_bytes=1000))
    ident = traced(small)
    code, said = error_in(ask(small, "save", traces=[ident], current=ident))
    assert code == "too_large" and "this session saves at most 1,000" in said
    code, said = error_in(ask(small, "open", file))
    assert code == "too_large" and f"The file has {len(file):,} bytes, but this session opens at most 1,000" in said


def test_traces_that_would_drop_each_other_are_not_opened(session: Session) -> None:
    ids, file = saved(session)
    limit = sum(session.trace(ident).nbytes for ident in ids) - 1
    small = Session(limits=Limits(trace_bytes=limit))
    code, said = error_in(ask(small, "open", file))
    assert code == "too_large" and f"this session stores at most {limit:,}" in said
    with pytest.raises(MissingError):
        small.trace(ids[0])


def test_a_session_keeps_the_workspace_that_it_starts_with_whatever_its_size(session: Session) -> None:
    ids, _ = saved(session)
    workspace = attnscope.Workspace([session.trace(ident) for ident in ids])
    started = Session(limits=Limits(trace_bytes=1), workspace=workspace)
    assert [ask(started, "trace", trace=ident).type for ident in ids] == ["trace", "trace"]


def test_bytes_that_are_no_file_raise_a_sentence(session: Session) -> None:
    assert error_in(ask(session, "open"))[1].startswith("`file` must be a one-dimensional uint8 tensor")
    for data in (b"", b"\0" * 7, b"hello" * 100, json.dumps({"a": 1}).encode(), b"\xff" * 64):
        code, said = error_in(ask(session, "open", data, name="fox.workspace"))
        assert code == "bad_request" and said.startswith("'fox.workspace' is not a complete workspace")
    _, file = saved(session)
    for cut in (file[:-1], file[:1000]):
        assert "is not a complete trace" in error_in(ask(session, "open", cut))[1]
    changed = bytearray(file)
    changed[-1] ^= 1
    assert "was changed after it was saved" in error_in(ask(session, "open", bytes(changed)))[1]


def test_a_trace_of_given_weights_can_be_saved_and_opened(tmp_path: Path) -> None:
    trace = random_trace(["a", "b", "c"], layers=2)
    session = Session(workspace=attnscope.Workspace([trace]))
    file = file_of(ask(session, "save", traces=[trace.id], current=trace.id))
    assert ask(Session(), "open", file).body["traces"] == [trace.id]


def test_an_opened_trace_of_a_real_model_is_live_again(smollm2: attnscope.Model, tmp_path: Path) -> None:
    first = Session([ModelEntry.loaded(smollm2)])
    off = {"type": "ScaleHead", "layer": 15, "head": 2, "factor": 0.0}
    ids = [ask(first, "run", text="The quick brown fox", edits=one).body["trace"] for one in ([], [off])]
    file = file_of(ask(first, "save", traces=ids, current=ids[1], baseline=ids[0], edits=[off]))
    second = Session([ModelEntry.loaded(smollm2)])
    assert ask(second, "open", file).body["traces"] == ids
    assert ask(second, "run", text="The quick brown fox", edits=[off]).body["trace"] == ids[1]
    for ident in ids:
        assert ask(second, "check", trace=ident).body["certificate"]["ok"] is True
        values = ask(second, "values", trace=ident, stack="decoder", layer=3)
        expected = ask(first, "values", trace=ident, stack="decoder", layer=3)
        np.testing.assert_allclose(values.tensors["output_norm"], expected.tensors["output_norm"], rtol=1e-5)
        states = ask(second, "states", trace=ident)
        assert states.type == "states", states.body
