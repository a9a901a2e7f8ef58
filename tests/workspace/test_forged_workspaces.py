"""Workspace files that are damaged, or that someone forged with hashes that fit: a sentence that names the place."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny_models
from helpers.forged_traces import Description, Tensors
from helpers.forged_workspaces import KEY, read_file, write_file
from safetensors.torch import save_file

import attnscope
from attnscope import edits
from attnscope.errors import DamagedError, TooLongError
from attnscope.workspace.saved_file import open_bytes

pytestmark = pytest.mark.core
Change = Callable[[Description, Tensors], object]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama (3 layers, 4 heads, 6 tokens), as it is and with an edit of layer 1."""
    path = tmp_path_factory.mktemp("saved") / "llama.workspace"
    model = attnscope.Model(tiny_models.build("llama"))
    before = model.trace(tiny_models.ids(6))
    after = model.trace(tiny_models.ids(6), edits=[edits.CutEdge(1, 0, query=3, key=1)])
    trail = [{"title": "start", "address": "v=head"}]
    attnscope.Workspace(
        [before, after], current=after, baseline=before, trail=trail, notes="n", state={"a": [1, None]}
    ).save(path, weights=True)
    return path


def forged(saved: Path, folder: Path, change: Change) -> Path:
    description, tensors = read_file(saved)
    change(description, tensors)
    write_file(folder / "forged.workspace", description, tensors)
    return folder / "forged.workspace"


def _set(*path: Any, to: Any) -> Change:
    def change(description: Description, _tensors: Tensors) -> None:
        place: Any = description
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = to

    return change


def _double(description: Description, _tensors: Tensors) -> None:
    description["traces"][1] = description["traces"][0]


def _nan(_description: Description, tensors: Tensors) -> None:
    for tensor in tensors.values():
        if tensor.is_floating_point() and tensor.numel():
            tensor.reshape(-1)[0] = float("nan")


def _nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


TRACE = ("traces", 1, "description")

FORGERIES: dict[str, tuple[Change, str]] = {
    "no traces": (_set("traces", to=[]), "`traces` must have 1 to 256 elements; got 0"),
    "2,000 traces": (lambda d, _: d.update(traces=d["traces"] * 1000), "must have 1 to 256 elements; got 2,000"),
    "traces that are text": (_set("traces", to="both"), "`traces` must be a list; got text"),
    "trace that is a number": (_set("traces", 0, to=5), r"`traces\[0\]` must be an object; got 5"),
    "the same trace twice": (_double, "same trace more than once|belongs to no trace"),
    "current beyond the traces": (_set("current", to=2), "`current` must be an integer from 0 to 1; got 2"),
    "current of 1e9": (_set("current", to=10**9), "`current` must be an integer from 0 to 1"),
    "current that is text": (_set("current", to="1"), "`current` must be an integer"),
    "current that is missing": (lambda d, _: d.pop("current"), "`current` is missing"),
    "negative baseline": (_set("baseline", to=-1), "`baseline` must be an integer from 0 to 1"),
    "unknown field": (_set("x", to=1), "unknown field 'x'"),
    "unknown field of a trace": (_set("traces", 0, "x", to=1), "unknown field 'x'"),
    "number of a tensor that is missing": (
        _set("traces", 0, "tensors", "decoder.0.q", to=10**9),
        r"`traces\[0\].tensors.decoder.0.q` must be an integer from 0 to",
    ),
    "number of a tensor that is text": (_set("traces", 0, "tensors", "decoder.0.q", to="0"), "must be an integer"),
    "number of another tensor": (
        lambda d, _: d["traces"][0]["tensors"].update({"decoder.0.q": d["traces"][0]["tensors"]["decoder.0.mask.lo"]}),
        "decoder.0.q cannot have the type I32",
    ),
    "tensor of no trace": (lambda _, t: t.update({"900": torch.ones(1)}), "The tensor 900 belongs to no trace"),
    "tensor with a word for a name": (
        lambda _, t: t.update({"x": t.pop("0")}),
        "The tensor 0 is missing|belongs to no trace",
    ),
    "tensors of another trace": (
        lambda d, _: d["traces"][0].update(tensors=d["traces"][1]["tensors"]),
        "does not belong to its layer|belongs to no trace",
    ),
    "NaN in every tensor": (_nan, "contains NaN"),
    "trace of another format": (_set(*TRACE, "format", to=2), "format` must be 1, the format of traces"),
    "mask of 2e9 keys": (
        _set(*TRACE, "stacks", "decoder", "layers", 0, "mask", "keys", to=2_000_000_000),
        r"traces\[1\].*must be 6, the number of keys",
    ),
    "token text that is a number": (_set(*TRACE, "tokens", "text", 2, "text", to=5), r"text` must be text; got 5"),
    "edit of layer 99 in a trace": (
        _set(*TRACE, "provenance", "edits", 0, "layer", to=99),
        "edits recorded in trace 1 are invalid: .*names layer 99",
    ),
    "edits that are text": (_set("edits", to="none"), "`edits` must be a list; got text"),
    "edit that is a number": (_set("edits", to=[5]), "An edit must be a JSON object"),
    "edit of an unknown type": (_set("edits", 0, "type", to="Explode"), "Unknown type of edit 'Explode'"),
    "edit of a negative layer": (_set("edits", 0, "layer", to=-1), "`layer` of CutEdge must be an integer from 0"),
    "20,000 edits": (lambda d, _: d.update(edits=d["edits"] * 20_000), "`edits` must have at most 10,000 elements"),
    "trail that is text": (_set("trail", to="here"), "`trail` must be a list; got text"),
    "entry of the trail that is text": (_set("trail", 0, to="here"), r"`trail\[0\]` must have a `title`"),
    "20,000 entries": (lambda d, _: d.update(trail=d["trail"] * 20_000), "20,000 entries, but .* at most 10,000"),
    "notes that are a list": (_set("notes", to=[1]), "`notes` must be text; got a list"),
    "notes of 2 million characters": (_set("notes", to="x" * 2_000_000), "2,000,000 characters, but .* at most"),
    "half a character in the notes": (_set("notes", to="\ud800"), "`notes` contains half a character"),
    "state that is a list": (_set("state", to=[1]), "`state` must be an object; got a list"),
    "state of 2 million characters": (_set("state", "a", to="x" * 2_000_000), "characters as JSON, but .* at most"),
    "state nested 50 deep": (_set("state", "a", to=_nested(50)), "nested more than 32 levels"),
    "nested 500 deep": (_set("state", "a", to=_nested(500)), "safetensors file, but not a workspace"),
    "NaN in JSON": (_set("state", "a", to=float("nan")), "safetensors file, but not a workspace"),
    "no checksum": (lambda d, _: d.pop("checksum"), "`checksum` is missing"),
    "newer format": (_set("format", to=2), "has format 2, but this version of attnscope reads format 1"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_value_is_named_in_a_sentence(name: str, saved: Path, tmp_path: Path) -> None:
    change, message = FORGERIES[name]
    path = forged(saved, tmp_path, change)
    with pytest.raises(DamagedError, match=message) as raised:
        attnscope.open(path)
    assert len(str(raised.value)) < 500 and "\n" not in str(raised.value)
    with pytest.raises(DamagedError, match=message):
        open_bytes(path.read_bytes(), "forged.workspace")


def test_a_file_that_is_only_written_again_opens(saved: Path, tmp_path: Path) -> None:
    """Otherwise the hashes of `helpers.forged_workspaces` would not fit, and the tests above would test nothing."""
    opened = attnscope.open(forged(saved, tmp_path, lambda _d, _t: None))
    assert [trace.id for trace in opened.traces] == [trace.id for trace in attnscope.open(saved).traces]
    assert opened.current.attention(1, 0)[3, 1] == 0 and opened.baseline.attention(1, 0)[3, 1] > 0


@pytest.mark.parametrize("keep", [0, 4, 100, 5000, -1])
def test_a_truncated_file_raises(saved: Path, tmp_path: Path, keep: int) -> None:
    cut = tmp_path / "cut.workspace"
    cut.write_bytes(saved.read_bytes()[:keep])
    with pytest.raises(DamagedError, match="not a complete workspace"):
        attnscope.open(cut)
    with pytest.raises(DamagedError, match=r"'cut\.workspace' is not a complete workspace"):
        open_bytes(cut.read_bytes(), "cut.workspace")


def test_flipped_bytes_raise(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    for at in [*range(start, len(data), (len(data) - start) // 20), len(data) - 1]:
        changed = bytearray(data)
        changed[at] ^= 1
        (tmp_path / "changed.workspace").write_bytes(changed)
        with pytest.raises(DamagedError, match="changed after it was saved"):
            attnscope.open(tmp_path / "changed.workspace")


def test_a_changed_description_raises(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    assert data.count(b"start") == 1
    (tmp_path / "changed.workspace").write_bytes(data.replace(b"start", b"other"))
    with pytest.raises(DamagedError, match="changed after it was saved"):
        attnscope.open(tmp_path / "changed.workspace")


def test_a_name_that_occurs_twice_in_the_header_raises(saved: Path, tmp_path: Path) -> None:
    data = saved.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].rstrip()
    assert header.endswith(b"}") and b'"1":' in header
    double = header.replace(b'"1":', b'"0":', 1)
    (tmp_path / "double.workspace").write_bytes(len(double).to_bytes(8, "little") + double + data[8 + length :])
    with pytest.raises(DamagedError):
        attnscope.open(tmp_path / "double.workspace")
    with pytest.raises(DamagedError):
        open_bytes((tmp_path / "double.workspace").read_bytes(), "double.workspace")


def test_a_file_that_is_neither_a_trace_nor_a_workspace_raises(tmp_path: Path) -> None:
    path = tmp_path / "other.workspace"
    for metadata in ({}, {KEY: "[]"}, {KEY: "{"}, {KEY: '{"format": 1}'}):
        save_file({"a": torch.ones(2)}, path, metadata=metadata)
        with pytest.raises(DamagedError, match=r"not a (trace|workspace) that attnscope saved|not a valid workspace"):
            attnscope.open(path)
    torch.save({"a": 1}, path)
    with pytest.raises(DamagedError, match="not a complete workspace"):
        attnscope.open(path)


def test_names_of_5000_characters_are_cut_in_errors(saved: Path, tmp_path: Path) -> None:
    long = "x" * 5000
    for change in (
        lambda d, _: d.update({long: 1}),
        lambda d, _: d["traces"][0]["tensors"].update({long: 0}),
        lambda _, t: t.update({long: torch.ones(1)}),
        _set("edits", 0, "type", to=long),
        _set("format", to=long),
        _set("traces", 0, "tensors", "decoder.0.q", to=long),
    ):
        with pytest.raises(DamagedError) as raised:
            attnscope.open(forged(saved, tmp_path, change))
        assert len(str(raised.value)) < 500


def test_tensors_that_many_traces_share_are_read_once(saved: Path, tmp_path: Path) -> None:
    """A file of few bytes must not become many: all traces share the memory of what they have in common."""
    opened = attnscope.open(saved)
    before, after = (trace.layer_record(0) for trace in opened.traces)
    assert before.q.data_ptr() == after.q.data_ptr() and before.v.data_ptr() == after.v.data_ptr()


def test_a_file_that_is_cut_short_later_does_not_end_the_process(saved: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.workspace"
    path.write_bytes(saved.read_bytes())
    opened = attnscope.open(path)
    os.truncate(path, 100)
    torch.testing.assert_close(opened.current.attention(0, 0), attnscope.open(saved).current.attention(0, 0))


def test_a_file_larger_than_the_free_memory_is_not_read(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("attnscope.trace.tensor_file.free_memory", lambda: 1000)
    with pytest.raises(TooLongError, match=r"The workspace .* of memory are free"):
        attnscope.open(saved)
