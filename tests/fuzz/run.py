"""Run the fuzzers, each in a process of its own. As a program: a longer run, whose figures go into the documentation.

python tests/fuzz/run.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FIGURES = HERE.parents[1] / "docs" / "explanation" / "fuzzing.json"
TRIES = {
    "fuzz_calls": ((12,), (60,)),
    "fuzz_messages": ((500, 150), (5000, 1500)),
    "fuzz_commands": ((120,), (600,)),
}
"""For each fuzzer, how much it tries in the tests, and in a longer run."""


def run(program: str, folder: Path, *, long: bool) -> dict[str, Any]:
    """Run a fuzzer, and return its report. Raises `CalledProcessError` if it breaks off."""
    counts = [str(count) for count in TRIES[program][long]]
    arguments = counts if program == "fuzz_messages" else [str(folder), *counts]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}
    command = [sys.executable, str(HERE / f"{program}.py"), *arguments]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=3600)
    return json.loads(done.stdout)


def main() -> None:
    figures: dict[str, int] = {"calls": 0, "messages": 0, "requests": 0, "commands": 0, "faults": 0}
    for program in TRIES:
        with tempfile.TemporaryDirectory() as folder:
            report = run(program, Path(folder), long=True)
        figures["calls"] += report.get("tried", 0)
        for name in ("messages", "requests", "commands"):
            figures[name] += report.get(name, 0)
        figures["faults"] += len(report["faults"])
        sys.stdout.write("".join(f"{fault}\n" for fault in report["faults"]))
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(f"{figures}\n")


if __name__ == "__main__":
    main()
