"""`attnscope export`, run as a command."""

from __future__ import annotations

import html
import re

from helpers.exported_pages import messages
from helpers.run_command import one_sentence, run_attnscope


def test_export_prints_the_size_and_takes_a_model_or_a_saved_trace(tmp_path):
    page, trace, again = tmp_path / "fox.html", tmp_path / "fox.trace", tmp_path / "again.html"
    done = run_attnscope(
        "export", "minilm", "--text", "the quick fox", "-o", str(page), "--layers", "0-1,4", "--layer", "4"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{page}: ")
    assert " MB, all views, weights rounded to ±" in done.stdout
    assert run_attnscope("trace", "minilm", "--text", "the quick fox", "-o", str(trace)).returncode == 0
    assert run_attnscope("export", str(trace), "-o", str(again)).returncode == 0
    assert again.stat().st_size > page.stat().st_size
    said = one_sentence(run_attnscope("export", str(trace), "-o", str(again), "--max-mb", "0.1"))
    assert "the limit is 0 MB" in said


def test_export_compares_with_the_unedited_pass_another_text_or_a_saved_trace(tmp_path):
    page, trace = tmp_path / "pair.html", tmp_path / "dog.trace"
    off = '{"type": "ScaleHead", "layer": 20, "head": 1, "factor": 0}'
    small = ("-o", str(page), "--layers", "0,21")
    text = ("export", "smollm2", "--text", "He is a nurse")
    done = run_attnscope(*text, "--edit", off, "--compare", "--field", "after", *small)
    assert done.returncode == 0, done.stderr
    assert "compared with its baseline" in done.stdout and "Modified by 1 edit" in done.stdout
    written = page.read_text()
    assert "field=after" in html.unescape(re.findall(r'data-start="([^"]*)"', written)[0])
    [now], [before] = messages(written, "trace"), messages(written, "baseline trace")
    assert [one["type"] for one in now.body["edits"]] == ["ScaleHead"] and before.body["edits"] == []
    assert messages(written, "effect")[0].body["moved"] > 0
    assert run_attnscope(*text, "--baseline", "She is a nurse", *small).returncode == 0
    assert messages(page.read_text(), "baseline trace")[0].body["input"]["text"] == "She is a nurse"
    assert run_attnscope("trace", "smollm2", "--text", "He is a doctor", "-o", str(trace)).returncode == 0
    assert run_attnscope(*text, "--baseline", str(trace), *small).returncode == 0
    assert messages(page.read_text(), "effect")[0].type == "error"
    for options, sentence in (
        (("--compare",), "Pass --edit or --edits"),
        (("--compare", "--edit", off, "--baseline", "x"), "Drop one of them"),
        (("--field", "before"), "needs a `baseline`"),
    ):
        assert sentence in one_sentence(run_attnscope(*text, *options, *small))
    saved = ("export", str(trace))
    assert "cannot be edited" in one_sentence(run_attnscope(*saved, "--edit", off, *small))
    assert "cannot run the text of --baseline" in one_sentence(run_attnscope(*saved, "--baseline", "x", *small))
