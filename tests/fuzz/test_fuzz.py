"""Wrong types, sizes and characters end in an answer or in a sentence, everywhere that something comes in.

The figures in docs/explanation/fuzzing.json are written by `python tests/fuzz/run.py`.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fuzz.run import FIGURES, run

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("program", ["fuzz_calls", "fuzz_messages", "fuzz_commands"])
def test_odd_values_end_in_an_answer_or_a_sentence(program):
    report = run(program)
    assert report["faults"] == [], "\n".join(report["faults"])


def test_a_damaged_trace_file_opens_and_can_be_used_or_is_an_error():
    report = run("fuzz_files")
    assert report["faults"] == [], "\n".join(report["faults"])
    assert report["opened"] > 10 and report["errors"] > 50


def test_the_figures_in_the_docs_are_of_a_run_without_faults():
    figures = json.loads(FIGURES.read_text())
    assert figures["faults"] == 0
    assert all(figures[name] > 100 for name in ("calls", "messages", "requests", "commands", "files"))
    assert figures["opened"] + figures["errors"] == figures["files"]
    page = (ROOT / "docs" / "explanation" / "security.md").read_text()
    assert "fuzzing.json" in page
