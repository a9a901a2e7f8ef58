"""The table as a page of the docs, as a small JSON file, and as one line of the README."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "docs" / "reference"
JSON, PAGE, README = REFERENCE / "models.json", REFERENCE / "models.md", ROOT / "README.md"
STATUSES = {
    "exact": "what is shown is the model's own attention: hidden states, weights × values in every row and, where eager "
    "attention runs and gives that output, its weights agree",
    "fallback": "the weights that the model reports itself, marked so: its attention runs outside transformers' interface",
    "unsupported": "nothing is drawn, and a sentence says why",
    "no attention": "a network without attention: convolutions, state spaces, a part of another model",
    "not built": "no tiny model could be made here, so nothing is claimed",
    "wrong": "shown, but not what the model computes: a fault of attnscope",
    "failed": "an error without a clear sentence: a fault of attnscope",
}
_KINDS = {
    "text": "Text: decoders and encoders",
    "text to text": "Text to text: encoder-decoders",
    "image": "Images",
    "image to text": "Images to text",
    "image and text": "Images and text",
    "sound": "Sound",
    "sound to text": "Sound to text",
    "sound and text": "Sound and text",
    "numbers": "Time series",
    "states": "Parts that take hidden states",
    "": "Not built",
}
_MARK = re.compile(r"<!-- models -->.*?<!-- /models -->", re.DOTALL)
Row = Mapping[str, Any]


def load() -> dict[str, Any]:
    """The table on file: `transformers` (its version) and `types` (rows, sorted)."""
    return json.loads(JSON.read_text(encoding="utf-8"))


def write(rows: Iterable[Row], version: str) -> None:
    """Write JSON file, page and README line. Rows are sorted by type; times of one machine are left out."""
    ordered = sorted(
        ({k: v for k, v in row.items() if k not in ("seconds", "stamp")} for row in rows),
        key=lambda row: str(row["type"]).lower(),
    )
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in ordered)
    JSON.write_text(f'{{"transformers": "{version}", "types": [\n{lines}\n]}}\n', encoding="utf-8")
    PAGE.write_text(_page(ordered, version), encoding="utf-8")
    README.write_text(
        _MARK.sub(
            lambda _: f"<!-- models -->{summary(ordered, version)}<!-- /models -->", README.read_text(encoding="utf-8")
        ),
        encoding="utf-8",
    )


def summary(rows: Sequence[Row], version: str) -> str:
    """The counts by status in one sentence."""
    counts = Counter(str(row["status"]) for row in rows)
    said = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status] or status == "wrong")
    return f"Of the {len(rows)} model types of transformers {version}: {said}."


def _page(rows: Sequence[Row], version: str) -> str:
    counts = Counter(str(row["status"]) for row in rows)
    attending = sum(counts[status] for status in ("exact", "fallback", "unsupported", "wrong", "failed"))
    parts = [
        "# Which models attnscope shows",
        "",
        "<!-- written by scripts/table.py; change it there, then `make table` -->",
        "",
        f"Every model type of transformers {version}, tried by a program (`make table`): it builds a tiny one with",
        "random weights, traces it, certifies it (`Model.check`), and compares every row of every head with the model's",
        "own pass, watched from outside. Sizes are those of the tiny models (layers with attention × heads); a checkpoint",
        "of the same type has its arithmetic, and a certificate of its own in every trace.",
        "",
        f"**{summary(rows, version)}** Of the {attending} that were built and have attention, {counts['exact']} are exact.",
        "",
        "| status | types | what it means |",
        "|---|---:|---|",
        *(f"| {status} | {counts[status]} | {meaning} |" for status, meaning in STATUSES.items()),
        "",
        "Types that are parts of others (a vision tower, a text decoder) have rows of their own. A model for images and",
        "text that runs over text alone is tried with text: its row speaks of its language part.",
    ]
    for kind, title in _KINDS.items():
        chosen = [row for row in rows if row.get("kind", "") == kind and row["status"] != "no attention"]
        if not chosen:
            continue
        parts += ["", f"## {title}", ""]
        if kind:
            parts += ["| type | status | stacks | peculiar | reason |", "|---|---|---|---|---|"]
            parts += [_line(row) for row in sorted(chosen, key=_rank)]
        else:
            parts += [
                "| type | reason |",
                "|---|---|",
                *(f"| {row['type']} | {_cell(row['reason'])} |" for row in chosen),
            ]
    without = [str(row["type"]) for row in rows if row["status"] == "no attention"]
    parts += ["", "## Without attention", "", ", ".join(without) + "."]
    return "\n".join(parts) + "\n"


def _rank(row: Row) -> tuple[int, str]:
    return list(STATUSES).index(str(row["status"])), str(row["type"]).lower()


def _line(row: Row) -> str:
    stacks = ", ".join(f"{name} {size}" for name, size in row.get("stacks", {}).items())
    reason = (
        row["reason"]
        if row["status"] != "exact" or "Certified" in row["reason"]
        else f"largest error {row.get('error', 0):.0e}"
    )
    return f"| {row['type']} | {row['status']} | {stacks} | {', '.join(row.get('peculiar', []))} | {_cell(reason)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
