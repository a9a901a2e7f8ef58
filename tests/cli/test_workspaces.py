"""Workspace files on the command line: served with and without their model, and as the source of other commands."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from helpers.app_process import running_app
from helpers.run_command import one_sentence, run_attnscope
from helpers.session_requests import messages_in

import attnscope
from attnscope.edits import ScaleHead
from attnscope.wire import Message, encode


@pytest.fixture(scope="module")
def workspace(minilm: attnscope.Model) -> attnscope.Workspace:
    before = minilm.trace("the quick fox")
    after = minilm.trace("the quick fox", edits=[ScaleHead(3, 1, factor=0.0)])
    return attnscope.Workspace([before, after], current=after, baseline=before, notes="seen", state={"a": 1})


@pytest.fixture(scope="module")
def saved(workspace: attnscope.Workspace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "fox.workspace"
    workspace.save(path)
    return path


class Client:
    """A client of a running app."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def ask(self, kind: str, file: bytes | None = None, **fields: object) -> Message:
        """The last response to a request."""
        tensors = {} if file is None else {"file": np.frombuffer(file, np.uint8)}
        answer = self._http.post(
            "/api",
            content=encode(Message(kind, "1", fields, tensors)),
            headers={"content-type": "application/x-safetensors"},
        )
        assert answer.status_code == 200, answer.text
        return list(messages_in(answer.content))[-1]


@contextmanager
def served(*arguments: str) -> Generator[Client]:
    with running_app("serve", *arguments) as url:
        base, _, token = url.partition("/?token=")
        headers = {"authorization": f"Bearer {token.partition('&')[0]}"}
        with httpx.Client(base_url=base, headers=headers, timeout=120) as http:
            yield Client(http)


def test_a_workspace_is_served_without_its_model(workspace: attnscope.Workspace, saved: Path) -> None:
    ids = [trace.id for trace in workspace.traces]
    with served(str(saved)) as client:
        hello = client.ask("hello").body
        assert (hello["models"], hello["trace"]) == ([], ids[1])
        assert hello["workspace"] == {
            "kind": "workspace",
            "traces": ids,
            "current": ids[1],
            "baseline": ids[0],
            "edits": [{"type": "ScaleHead", "layer": 3, "head": 1, "factor": 0.0}],
            "trail": [],
            "notes": "seen",
            "state": {"a": 1},
        }
        for ident in ids:
            assert client.ask("trace", trace=ident).body["model"]["name"] is None


def test_a_workspace_is_served_with_its_model_saved_and_opened_again(
    workspace: attnscope.Workspace, saved: Path, tmp_path: Path
) -> None:
    before, after = (trace.id for trace in workspace.traces)
    with served("minilm", "--open", str(saved)) as client:
        hello = client.ask("hello").body
        assert hello["workspace"]["traces"] == [before, after] and hello["models"][0]["loaded"] is True
        assert client.ask("trace", trace=after).body["model"]["name"] == "minilm"
        assert client.ask("check", trace=after).body["certificate"]["ok"] is True
        new = client.ask("run", text="a dog", edits=hello["workspace"]["edits"]).body["trace"]
        answer = client.ask("save", traces=[before, new], current=new, notes="more")
        file = answer.tensors["file"].tobytes()
        assert answer.body["name"] == "a-dog.workspace"
        assert client.ask("open", file, name="a-dog.workspace").body["traces"] == [before, new]
    (tmp_path / "a-dog.workspace").write_bytes(file)
    opened = attnscope.open(tmp_path / "a-dog.workspace")
    assert [trace.id for trace in opened.traces] == [before, new] and opened.notes == "more"


def test_a_file_larger_than_a_request_without_tensors_is_opened(tmp_path: Path) -> None:
    """A body of JSON has at most 10 MiB; files may be larger."""
    weights = np.full((1, 2, 1200, 1200), 1 / 1200, dtype=np.float32)
    trace = attnscope.Trace.from_attention([weights], [f"w{i}" for i in range(1200)])
    trace.save(tmp_path / "large.trace")
    data = (tmp_path / "large.trace").read_bytes()
    assert len(data) > 11 * 2**20
    attnscope.Workspace([trace]).save(tmp_path / "large.workspace")
    with served(str(tmp_path / "large.workspace")) as client:
        assert client.ask("open", data).body["traces"] == [trace.id]


def test_the_current_trace_is_the_source_of_other_commands(saved: Path, tmp_path: Path) -> None:
    page, figure = tmp_path / "fox.html", tmp_path / "fox.svg"
    done = run_attnscope("export", str(saved), "-o", str(page))
    assert done.returncode == 0, done.stderr
    assert page.stat().st_size > 100_000 and "3.1" in done.stdout + done.stderr
    done = run_attnscope("figure", str(saved), "-o", str(figure))
    assert done.returncode == 0, done.stderr
    said = one_sentence(run_attnscope("export", str(saved), "--text", "a", "-o", str(page)))
    assert "is a saved workspace, which already has its input" in said


def test_wrong_files_and_options_are_an_error(saved: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.workspace").write_bytes(b"not a workspace at all")
    (tmp_path / "notes.txt").write_text("a")
    for arguments, message in (
        ((str(tmp_path / "none.workspace"),), "Workspace not found"),
        ((str(tmp_path / "bad.workspace"),), "is not a complete workspace"),
        (("minilm", "--open", str(tmp_path / "none.trace")), "Trace not found"),
        (("minilm", "--open", str(tmp_path / "notes.txt")), "--open needs a .trace or .workspace file"),
        ((str(saved), "--open", str(saved)), "is a saved workspace. Pass a model"),
    ):
        assert message in one_sentence(run_attnscope("serve", *arguments, "--no-browser"))
