"""Workspaces: saving and opening preserves the traces and everything else, with and without the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from helpers import tiny_models
from safetensors import safe_open

import attnscope
from attnscope.edits import PatchHead, ScaleHead, TraceRef
from attnscope.errors import InputError, MissingError, TooLongError, UnsupportedError

pytestmark = pytest.mark.core
TEXT = "The quick, brown fox jumps over the lazy"
TRAIL = [{"title": "Head 17.4", "address": "v=head&l=17"}, {"title": "after the edit ✂", "address": ""}]
STATE = {"field": "difference", "open": ["effect", None, 0.5], "größe": {"x": True}}


@pytest.fixture(scope="module")
def traces(smollm2: attnscope.Model) -> tuple[attnscope.Trace, attnscope.Trace]:
    """A pass, and the same pass without head 15.2."""
    return smollm2.trace(TEXT), smollm2.trace(TEXT, edits=[ScaleHead(15, 2, factor=0.0)])


@pytest.fixture(scope="module")
def saved(traces: tuple[attnscope.Trace, attnscope.Trace], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("workspaces") / "fox.workspace"
    before, after = traces
    planned = [*after.edits, PatchHead(20, 1, source=before)]
    attnscope.Workspace(
        [before, after], current=after, baseline=before, edits=planned, trail=TRAIL, notes="a\nb ∂", state=STATE
    ).save(path)
    return path


def test_an_opened_workspace_equals_the_saved_one(traces: tuple[attnscope.Trace, attnscope.Trace], saved: Path) -> None:
    before, after = traces
    opened = attnscope.open(saved)
    assert isinstance(opened, attnscope.Workspace)
    assert [trace.id for trace in opened.traces] == [before.id, after.id]
    assert opened.current is opened.traces[1] and opened.baseline is opened.traces[0]
    assert opened.edits == [ScaleHead(15, 2, factor=0.0), PatchHead(20, 1, source=before)]
    assert opened.edits[1].source is opened.traces[0]
    assert (opened.trail, opened.notes, opened.state) == (TRAIL, "a\nb ∂", STATE)
    for was, now in zip(traces, opened.traces, strict=True):
        assert now.tokens == was.tokens and now.stacks == was.stacks and now.edits == was.edits
        assert now.next_tokens == was.next_tokens and now.certificate.recorded
        for layer in range(30):
            for head in range(9):
                assert torch.equal(now.attention(layer, head), was.attention(layer, head))
            assert torch.equal(now.scores(layer, 0), was.scores(layer, 0)) and torch.equal(
                now.v(layer, 8), was.v(layer, 8)
            )
        assert now.logits is None
        with pytest.raises(UnsupportedError, match=r"output of head 3\.1 is unknown"):
            now.head_output(3, 1)


def test_with_the_model_everything_is_available(
    traces: tuple[attnscope.Trace, attnscope.Trace], saved: Path, smollm2: attnscope.Model
) -> None:
    opened = attnscope.open(saved, model=smollm2)
    for was, now in zip(traces, opened.traces, strict=True):
        torch.testing.assert_close(now.head_output(20, 1), was.head_output(20, 1))
        torch.testing.assert_close(now.logits, was.logits, atol=1e-3, rtol=1e-3)
    assert opened.edits[1].source is opened.traces[0]
    again = smollm2.trace(TEXT, edits=opened.edits)
    assert torch.equal(again.attention(15, 0), traces[1].attention(15, 0))
    assert not torch.equal(again.attention(29, 0), traces[1].attention(29, 0))


def test_with_another_model_it_raises(saved: Path, minilm: attnscope.Model) -> None:
    with pytest.raises(InputError, match="other weights"):
        attnscope.open(saved, model=minilm)


def test_the_layers_below_the_first_change_are_stored_once(
    traces: tuple[attnscope.Trace, attnscope.Trace], saved: Path
) -> None:
    """q, k and v depend only on what comes before them: those of layers 0 to 15 are the same without head 15.2."""
    before, _ = traces
    with safe_open(str(saved), framework="pt") as file:
        sizes = [file.get_tensor(name).nbytes for name in file.keys()]  # noqa: SIM118 - not a mapping
    layer = sum(part(0, 0).nbytes for part in (before.q, before.k, before.v))
    qkv_of_a_layer = layer // 3 * (9 + 3 + 3)  # 9 heads; 3 of keys and values
    assert before.nbytes - 30 * qkv_of_a_layer < 10_000  # the masks
    assert 44 * qkv_of_a_layer <= sum(sizes) < 44 * qkv_of_a_layer + 40_000  # 16 shared layers and two times 14


def test_a_workspace_of_models_of_every_kind_is_saved_with_its_projections(tmp_path: Path) -> None:
    traces = [
        attnscope.Model(tiny_models.build(name)).trace(tiny_models.ids()) for name in sorted(tiny_models.FAMILIES)
    ]
    attnscope.Workspace(traces).save(tmp_path / "all.workspace", weights=True)
    opened = attnscope.open(tmp_path / "all.workspace")
    assert [trace.id for trace in opened.traces] == [trace.id for trace in traces]
    for was, now in zip(traces, opened.traces, strict=True):
        torch.testing.assert_close(now.head_output(0, 0), was.head_output(0, 0), atol=1e-5, rtol=1e-4)


def test_the_defaults_are_the_first_trace_its_edits_and_nothing_else(
    traces: tuple[attnscope.Trace, attnscope.Trace],
) -> None:
    before, after = traces
    workspace = attnscope.Workspace([after, before, after])
    assert workspace.traces == [after, before] and workspace.current is after and workspace.baseline is None
    assert workspace.edits == [ScaleHead(15, 2, factor=0.0)]
    assert (workspace.trail, workspace.notes, workspace.state) == ([], "", {})
    assert attnscope.Workspace([after], edits=[]).edits == []
    with pytest.raises(AttributeError):
        workspace.notes = "other"  # pyright: ignore[reportAttributeAccessIssue]


def test_the_repr_says_what_is_in_it(traces: tuple[attnscope.Trace, attnscope.Trace], saved: Path) -> None:
    assert repr(attnscope.open(saved)) == (
        "<Workspace of 2 traces, current: 1 (<Trace of 9 tokens, decoder: 30 × 9 heads, with 1 edit>), "
        "baseline: 0 (<Trace of 9 tokens, decoder: 30 × 9 heads>), 2 edits, a trail of 2 places, notes of 5 characters>"
    )
    assert repr(attnscope.Workspace([traces[0]])) == (
        "<Workspace of 1 trace, current: 0 (<Trace of 9 tokens, decoder: 30 × 9 heads>)>"
    )


def test_an_edit_may_refer_to_a_trace_that_the_file_lacks(
    traces: tuple[attnscope.Trace, attnscope.Trace], tmp_path: Path
) -> None:
    before, after = traces
    attnscope.Workspace([after], edits=[PatchHead(1, 1, source=before)]).save(tmp_path / "a.workspace")
    assert attnscope.open(tmp_path / "a.workspace").edits == [PatchHead(1, 1, source=TraceRef(before.id))]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"traces": []}, "`traces` is empty"),
        ({"traces": "fox.trace"}, "`traces` must be a list of traces; got str"),
        ({"traces": [None]}, r"`traces\[0\]` must be a trace; got NoneType"),
        ({"current": "after"}, "`current` must be a trace, or None; got str"),
        ({"baseline": 1}, "`baseline` must be a trace, or None; got int"),
        ({"edits": ["cut"]}, "`edits` must be a list of edits; got str"),
        ({"trail": "here"}, "`trail` must be a list of entries"),
        ({"trail": [{"title": "a"}]}, r"`trail\[0\]` must have a `title` and an `address`"),
        ({"trail": [{"title": "a", "address": 5}]}, r"`trail\[0\]` must have a `title` and an `address`"),
        ({"notes": None}, "`notes` must be a string; got NoneType"),
        ({"notes": "\ud800"}, "`notes` contains half a character"),
        ({"state": [1]}, "`state` must be a JSON object"),
        ({"state": {"a": float("nan")}}, "`state` cannot be written as JSON"),
        ({"state": {"a": object()}}, "`state` cannot be written as JSON"),
        ({"state": {"a": "\udfff"}}, "`state` contains half a character"),
    ],
)
def test_a_part_that_does_not_fit_raises(
    traces: tuple[attnscope.Trace, attnscope.Trace], fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        attnscope.Workspace(**{"traces": [traces[0]], **fields})


def test_a_trace_outside_the_workspace_cannot_be_shown(traces: tuple[attnscope.Trace, attnscope.Trace]) -> None:
    for name in ("current", "baseline"):
        with pytest.raises(InputError, match=f"`{name}` is not one of the workspace's traces"):
            attnscope.Workspace([traces[0]], **{name: traces[1]})  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    "fields",
    [
        {"state": {"a": "x" * 2**20}},
        {"notes": "x" * 1_000_001},
        {"trail": [{"title": "", "address": ""}] * 10_001},
        {"trail": [{"title": "x" * 1001, "address": ""}]},
        {"edits": [ScaleHead(0, 0, factor=0.0)] * 10_001},
    ],
    ids=["state", "notes", "trail", "title", "edits"],
)
def test_parts_have_a_largest_size(traces: tuple[attnscope.Trace, attnscope.Trace], fields: dict[str, Any]) -> None:
    with pytest.raises(TooLongError, match="at most"):
        attnscope.Workspace([traces[0]], **fields)


def test_a_state_nested_too_deeply_raises(traces: tuple[attnscope.Trace, attnscope.Trace]) -> None:
    value: dict[str, Any] = {}
    for _ in range(40):
        value = {"a": value}
    with pytest.raises(InputError, match="nested more than 32 levels deep"):
        attnscope.Workspace([traces[0]], state=value)


def test_a_failed_save_leaves_only_the_old_file(
    traces: tuple[attnscope.Trace, attnscope.Trace], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "fox.workspace"
    path.write_text("what was there")

    def full(*_args: object, **_kwargs: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr("attnscope.trace.tensor_file.save_file", full)
    with pytest.raises(OSError, match="Cannot write the workspace"):
        attnscope.Workspace([traces[0]]).save(path)
    assert path.read_text() == "what was there" and [one.name for one in tmp_path.iterdir()] == ["fox.workspace"]
    with pytest.raises(InputError, match=r"Cannot write the workspace: .* folder that does not exist"):
        attnscope.Workspace([traces[0]]).save(tmp_path / "no" / "fox.workspace")
    with pytest.raises(MissingError, match="Workspace not found"):
        attnscope.open(tmp_path / "none.workspace")
