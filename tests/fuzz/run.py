"""Run the fuzzers, each in a process of its own. As a program: write the figures of a run for the documentation.

    python tests/fuzz/run.py [FACTOR]

FACTOR times as many tries as in the tests, by default 1.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FIGURES = HERE.parents[1] / "docs" / "explanation" / "fuzzing.json"
TRIES = {"fuzz_calls": (12,), "fuzz_messages": (500, 150), "fuzz_commands": (120,), "fuzz_files": (120,)}
"""For each fuzzer, how much it tries in the tests: tries of each call; messages and requests; command lines; trace files."""

COUNTED = ("calls", "messages", "requests", "commands", "files", "opened", "errors")
"""What the reports count; files were opened or raised an error of attnscope."""

_WITH_FOLDER = ("fuzz_calls", "fuzz_commands")


def run(program: str, factor: int = 1) -> dict[str, Any]:
    """Run a fuzzer, and return its report. Raises `CalledProcessError` if it breaks off."""
    counts = [str(factor * count) for count in TRIES[program]]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    with tempfile.TemporaryDirectory() as folder:
        arguments = [folder, *counts] if program in _WITH_FOLDER else counts
        command = [sys.executable, str(HERE / f"{program}.py"), *arguments]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=7200)
    return json.loads(done.stdout)


def main() -> None:
    factor = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    with ThreadPoolExecutor() as pool:
        reports = list(pool.map(lambda program: run(program, factor), TRIES))
    figures = {name: sum(report.get(name, 0) for report in reports) for name in COUNTED}
    figures["faults"] = sum(len(report["faults"]) for report in reports)
    for report in reports:
        sys.stdout.write("".join(f"{fault}\n" for fault in report["faults"]))
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(f"{figures}\n")


if __name__ == "__main__":
    main()
