"""An offline page of a workspace is that of its current trace beside its baseline."""

from __future__ import annotations

from pathlib import Path

import attnscope
from attnscope.edits import ScaleHead
from attnscope.offline import document
from attnscope.testing import FakeModel


def test_a_workspace_is_exported_as_the_app_showed_it(tmp_path: Path) -> None:
    model = FakeModel()
    before, after = model.trace("a b c"), model.trace("a b c", edits=[ScaleHead(1, 2, factor=0.0)])
    third = model.trace("d e f")
    state = {"address": "layer=2&heads=1"}
    workspace = attnscope.Workspace([third, before, after], current=after, baseline=before, state=state)
    assert document(workspace).html == document(after, baseline=before, address="layer=2&heads=1").html
    assert document(workspace, address="layer=1").html == document(after, baseline=before, address="layer=1").html
    assert document(attnscope.Workspace([after])).html == document(after).html
    attnscope.export(workspace, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == document(workspace).html
