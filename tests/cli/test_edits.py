"""Edits on the command line: one by one, in a file, and said wherever the trace goes."""

from __future__ import annotations

import html

from helpers.run_command import one_sentence, run_attnscope

import attnscope


def test_edits_are_given_one_by_one_and_in_a_file_and_said_wherever_the_trace_goes(tmp_path):
    path, listed, page = tmp_path / "edited.trace", tmp_path / "edits.json", tmp_path / "edited.html"
    listed.write_text('[{"type": "ScaleHead", "layer": 2, "head": 1, "factor": 0}]')
    cut = '{"type": "CutEdge", "layer": 3, "head": 0, "query": 2, "key": 1}'
    text = ("trace", "minilm", "--text", "the cat sat")
    done = run_attnscope(*text, "--edits", str(listed), "--edit", cut, "-o", str(path))
    assert done.returncode == 0, done.stderr
    changed = "Modified by 2 edits: head 2.1 ablated; edge from token 2 to token 1 cut in head 3.0."
    assert changed in done.stdout
    for command in (("heads", str(path)), ("export", str(path), "-o", str(page))):
        assert changed in run_attnscope(*command).stdout
    opened = attnscope.open(path)
    assert [repr(one) for one in opened.edits] == [
        "ScaleHead(layer=2, head=1, factor=0.0)",
        "CutEdge(layer=3, head=0, query=2, key=1)",
    ]
    assert float(opened.attention(3, 0)[2, 1]) == 0.0
    drawn = attnscope.figure(opened, view="head", layer=3, heads=[0]).attnscope_caption
    assert changed in drawn
    attnscope.export(opened, page)
    assert "<title>edited · the cat sat" in html.unescape(page.read_text())
    wrong = run_attnscope(*text, "--edit", cut.replace("3", "9", 1), "-o", str(tmp_path / "none.trace"))
    assert "layers 0 to 5" in one_sentence(wrong)
    assert not (tmp_path / "none.trace").exists()
