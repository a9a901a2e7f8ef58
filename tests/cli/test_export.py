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
    assert "the limit is 0 MB" in said
