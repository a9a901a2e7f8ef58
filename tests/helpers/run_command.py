"""Run the command line in a separate process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ATTNSCOPE = Path(sys.executable).with_name("attnscope")


def run_attnscope(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1", "COLUMNS": "120", **environment}
    return subprocess.run([ATTNSCOPE, *arguments], env=env, capture_output=True, text=True, timeout=120)


def one_sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("attnscope: ")
    return lines[0]
