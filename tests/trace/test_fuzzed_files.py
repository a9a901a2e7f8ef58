"""Trace files damaged at random, with hashes that fit: each opens and can be used, or raises an error of attnscope."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent.parent
RECORDED = TESTS.parent / "docs" / "explanation" / "fuzzed_files.json"


def test_a_damaged_file_opens_or_raises_a_sentence_and_takes_no_memory() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), str(TESTS)])}
    command = [sys.executable, "-m", "helpers.trace_file_fuzzer", "120", "3"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["faults"] == []
    assert found["opened"] > 10 and found["errors"] > 50


def test_the_recorded_run_had_no_faults() -> None:
    """The page docs/explanation/security.md shows these numbers."""
    recorded = json.loads(RECORDED.read_text())
    assert recorded["faults"] == [] and recorded["tried"] == recorded["opened"] + recorded["errors"]
