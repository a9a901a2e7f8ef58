"""`attnscope export`, run as a command."""

from __future__ import annotations

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
    assert "0 MB are written" in said


def test_a_page_starts_at_a_token_that_is_named_by_its_word(tmp_path):
    page = tmp_path / "fox.html"
    text = ("export", "minilm", "--text", "the quick fox", "--layers", "0", "-o", str(page))
    for written, index in (("quick", 2), ("the#1", 1), ("2-3", 3), ("0", 0)):
        assert run_attnscope(*text, "--token", written).returncode == 0
        assert f"token=q{index}" in page.read_text()
    assert '`--token`: "dog" is not a word' in one_sentence(run_attnscope(*text, "--token", "dog"))
