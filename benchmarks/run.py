"""Run all benchmarks, or those named as arguments, one after another, each in its own process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCHMARKS = (
    *("tracing.py", "studies.py", "editing.py", "measuring.py", "patching.py", "comparing.py", "painting.py"),
    "exporting.py",
)


def main() -> int:
    folder = Path(__file__).parent
    chosen = [name for name in BENCHMARKS if not sys.argv[1:] or name.removesuffix(".py") in sys.argv[1:]]
    return max((subprocess.run([sys.executable, str(folder / name)]).returncode for name in chosen), default=2)


if __name__ == "__main__":
    sys.exit(main())
