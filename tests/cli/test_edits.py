"""Edits on the command line: as options, in a file, and in the output of later commands."""

from __future__ import annotations

import html

from helpers.run_command import one_sentence, run_attnscope

import attnscope


def test_edits_come_from_options_and_a_file_and_are_printed_by_every_command(tmp_path):
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


def test_an_edit_names_tokens_by_words_and_the_trace_records_indices(tmp_path):
    path = tmp_path / "edited.trace"
    cut = '{"type": "CutEdge", "layer": 3, "head": 0, "query": "sat on", "key": ["the", 2]}'
    text = ("trace", "minilm", "--text", "the cat sat on the mat")
    done = run_attnscope(*text, "--edit", cut, "-o", str(path))
    assert done.returncode == 0, done.stderr
    assert "edge from tokens 3, 4 to token 5 cut in head 3.0" in done.stdout
    opened = attnscope.open(path)
    assert opened.attention(3, 0)[[3, 4], 5].tolist() == [0.0, 0.0]
    assert repr(opened.edits[0]) == "CutEdge(layer=3, head=0, query=(3, 4), key=5)"
    wrong = run_attnscope(*text, "--edit", cut.replace("sat on", "dog"), "-o", str(tmp_path / "none.trace"))
    assert '`query` of CutEdge: "dog" is not a word of the text (tokens: 0 "[CLS]", 1 "the"' in one_sentence(wrong)
