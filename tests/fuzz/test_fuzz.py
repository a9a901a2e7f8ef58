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


def test_the_figures_in_the_docs_are_of_a_run_without_faults():
    figures = json.loads(FIGURES.read_text())
    assert figures["faults"] == 0
    assert all(count > 100 for name, count in figures.items() if name != "faults")
    page = (ROOT / "docs" / "explanation" / "security.md").read_text()
    assert "fuzzing.json" in page
