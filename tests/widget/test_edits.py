"""The edits of a widget of a model, without a page."""

from __future__ import annotations

import pytest

import attnscope
from attnscope import edits


def test_edits_are_json_objects_whose_traces_the_widget_has(smollm2: attnscope.Model) -> None:
    cut = edits.CutEdge(layer=3, head=0, query="cat", key=0)
    widget = attnscope.show(smollm2, edits=[cut])
    assert widget.edits == [{"type": "CutEdge", "layer": 3, "head": 0, "query": "cat", "key": 0}]
    widget.edits = [{"type": "ScaleHead", "layer": 5, "head": 3, "factor": 0}]
    assert widget.edits == [edits.ScaleHead(5, 3, 0).as_json()]
    other = smollm2.trace("a dog")
    widget.edits = [edits.PatchHead(2, 1, source=other)]
    assert widget.edits[0]["source"] == {"trace": other.id}
    widget.baseline = other.id
    assert widget.baseline_trace is other
    for wrong, sentence in (
        ([{"type": "Fade"}], "Unknown type of edit 'Fade'"),
        ("x", "`edits` must be a list of edits"),
        ([{"type": "PatchHead", "layer": 2, "head": 1, "source": {"trace": "0" * 64}}], "no longer in this session"),
    ):
        with pytest.raises(attnscope.InputError, match=sentence):
            widget.edits = wrong
        assert widget.edits[0]["source"] == {"trace": other.id}
    widget.edits = None
    assert widget.edits == []
