"""Run all checks of the sources, two at a time: `make check`. The output of each is shown when it has ended."""

from __future__ import annotations

import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CHECKS = {
    "types": [BIN / "pyright"],  # takes longest
    "front end": [sys.executable, "scripts/bundle.py", "npm", "run", "check"],
    "format": [BIN / "ruff", "format", "--check", "."],
    "lint": [BIN / "ruff", "check", "."],
    "import layers": [BIN / "lint-imports", "--no-logo"],
    "stray files": [sys.executable, "scripts/tidy.py"],
}


def run(name: str) -> tuple[bool, str]:
    """Run one check. Returns whether it passed, and what to show."""
    begun = time.monotonic()
    done = subprocess.run(CHECKS[name], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    ended = "passed" if done.returncode == 0 else f"FAILED with exit status {done.returncode}"
    return done.returncode == 0, f"── {name}: {ended} after {time.monotonic() - begun:.1f} s\n{done.stdout.strip()}\n"


def main() -> int:
    """Run the checks; 1 if one of them failed."""
    failed: list[str] = []
    with ThreadPoolExecutor(max_workers=2) as pool:
        running = {pool.submit(run, name): name for name in CHECKS}
        for future in as_completed(running):
            passed, text = future.result()
            print(text, flush=True)
            if not passed:
                failed.append(running[future])
    if failed:
        print(f"Failed: {', '.join(failed)}.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
