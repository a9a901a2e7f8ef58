"""Write docs/reference/models.md: build, trace and certify every model type of transformers (see the package `breadth`)."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import transformers
from breadth import page
from breadth.pool import outcomes
from breadth.reading import with_tokens

ROOT = Path(__file__).resolve().parent.parent
DONE = ROOT / ".test-output" / "models.jsonl"
"""The finished rows, so that an interrupted run can continue."""


def main() -> int:
    """Try the remaining types and write the table. Returns 1 if any type is wrong or failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("types", nargs="*", help="types to try and update in the existing table; all by default")
    parser.add_argument("--only", choices=["tokens"], help="update only this column of the existing table")
    parser.add_argument("--fresh", action="store_true", help="discard the rows of an interrupted run")
    parser.add_argument("--workers", type=int, default=2, help="number of processes")
    options = parser.parse_args()
    every = sorted(transformers.CONFIG_MAPPING.keys(), key=str.lower)
    unknown = sorted(set(options.types) - set(every))
    if unknown:
        parser.error(f"transformers {transformers.__version__} does not have the type {', '.join(unknown)}")
    if options.only == "tokens":
        rows = {row["type"]: row for row in page.load()["types"]}
    elif options.types:
        rows = {row["type"]: row for row in page.load()["types"]} if page.JSON.is_file() else {}
        rows |= {row["type"]: row for row in _tried(options.types, options.workers)}
    else:
        rows = {} if options.fresh else _done()
        rows |= {row["type"]: row for row in _kept([one for one in every if one not in rows], options.workers)}
    chosen = options.types or every
    rows = {name: with_tokens(row) if name in chosen else row for name, row in rows.items()}
    page.write([rows[one] for one in every if one in rows], transformers.__version__)
    print(page.summary(list(rows.values()), transformers.__version__))
    failed = any(row["status"] in ("wrong", "failed") for row in rows.values())
    return int(failed or any(row.get("tokens", {}).get("reading") == "wrong" for row in rows.values()))


def _tried(types: list[str], workers: int) -> Iterator[dict[str, Any]]:
    begun = time.monotonic()
    for count, row in enumerate(outcomes(types, workers=workers), start=1):
        spent = int(time.monotonic() - begun)
        print(
            f"[{count}/{len(types)}, {spent // 60}:{spent % 60:02d}] {row['type']}: {row['status']}. {row['reason']}",
            flush=True,
        )
        yield row


def _kept(types: list[str], workers: int) -> Iterator[dict[str, Any]]:
    DONE.parent.mkdir(exist_ok=True)
    with DONE.open("a", encoding="utf-8") as file:
        for row in _tried(types, workers):
            file.write(json.dumps({**row, "stamp": _stamp()}, ensure_ascii=False) + "\n")
            file.flush()
            yield row


def _done() -> dict[str, dict[str, Any]]:
    if not DONE.is_file():
        return {}
    rows = [json.loads(line) for line in DONE.read_text(encoding="utf-8").splitlines()]
    return {row["type"]: row for row in rows if row.get("stamp") == _stamp()}


def _stamp() -> str:
    """A hash of everything that an outcome depends on: transformers, attnscope's code, and the builder."""
    digest = hashlib.sha256(transformers.__version__.encode())
    for folder in ("src/attnscope", "scripts/breadth"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


if __name__ == "__main__":
    sys.exit(main())
