"""Workspaces in a notebook: shown by a widget, and opened by its page."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

import attnscope
from attnscope import wire
from attnscope.edits import ScaleHead
from attnscope.session import Session
from attnscope.testing import FakeModel
from attnscope.widget.requests import Requests

pytestmark = pytest.mark.core


@pytest.fixture
def workspace() -> attnscope.Workspace:
    model = FakeModel()
    before, after = model.trace("a b c"), model.trace("a b c", edits=[ScaleHead(1, 2, factor=0.0)])
    return attnscope.Workspace([before, after], current=after, baseline=before, state={"a": 1})


class Page:
    """A page that waits for the answer to its request, in a notebook with this session."""

    def __init__(self, session: Session) -> None:
        self._answered = threading.Event()
        self._heard: list[wire.Message] = []
        self._requests = Requests(session, self._hear)

    def ask(self, kind: str, content: dict[str, object] | None = None, buffers: tuple[bytes, ...] = ()) -> wire.Message:
        request = {"v": wire.VERSION, "id": "1", "type": kind}
        self._requests.receive({"request": request, **(content or {})}, [memoryview(one) for one in buffers])
        assert self._answered.wait(20)
        return self._heard[-1]

    def _hear(self, _content: dict[str, str], buffers: list[bytes]) -> None:
        self._heard += [wire.decode(data) for data in buffers]
        if buffers:
            self._answered.set()


def test_a_widget_shows_the_current_trace_beside_its_baseline(workspace: attnscope.Workspace) -> None:
    widget = attnscope.show(workspace, layer=1, heads=[2])
    assert widget.trace is workspace.current and widget.baseline_trace is workspace.baseline
    assert (widget.field, widget.layer, widget.heads) == ("difference", 1, [2])
    assert repr(widget) == f"<AttentionWidget of {workspace!r}>"
    alone = attnscope.show(attnscope.Workspace([workspace.current]))
    assert (alone.baseline, alone.field) == (None, "after")
    other = attnscope.show(workspace, baseline=FakeModel().trace("d e f"), field="after")
    assert other.baseline_trace is not workspace.baseline and other.field == "after"


def test_the_page_of_a_widget_starts_with_the_workspace(workspace: attnscope.Workspace) -> None:
    hello = Page(Session(workspace=workspace)).ask("hello")
    assert hello.body["workspace"]["state"] == {"a": 1}


def test_a_file_is_a_named_buffer_of_the_message(workspace: attnscope.Workspace, tmp_path: Path) -> None:
    workspace.save(tmp_path / "a.workspace")
    data = (tmp_path / "a.workspace").read_bytes()
    opened = Page(Session()).ask("open", {"tensors": ["file"]}, (data,))
    assert opened.body["traces"] == [trace.id for trace in workspace.traces]


@pytest.mark.parametrize("names", [[], ["file", "image"], [5], "file", None])
def test_a_buffer_without_a_name_is_an_error(names: object) -> None:
    answer = Page(Session()).ask("open", {"tensors": names}, (b"abc",))
    assert answer.type == "error" and "the name of each buffer" in answer.body["message"]
