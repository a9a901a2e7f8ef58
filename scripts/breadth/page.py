"""Write the table as a page of the docs, a small JSON file, and one line of the README."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from breadth.reading import READINGS

ROOT = Path(__file__).resolve().parent.parent.parent
REFERENCE = ROOT / "docs" / "reference"
JSON, PAGE, README = REFERENCE / "models.json", REFERENCE / "models.md", ROOT / "README.md"
STATUSES = {
    "exact": "attnscope shows the model's own attention. Hidden states, weights × values in every row, and the eager weights "
    "(if eager attention runs and gives that output) all agree.",
    "fallback": "attnscope shows the weights that the model reports, and marks them as such, because its attention runs outside "
    "transformers' attention interface.",
    "unsupported": "attnscope shows nothing, and an error message says why.",
    "no attention": "The network computes no attention: convolutions, state space models, or a part of another model.",
    "not built": "The program could not build a tiny model, so this table claims nothing.",
    "wrong": "attnscope shows something other than what the model computes: a bug in attnscope.",
    "failed": "An error without a clear message: a bug in attnscope.",
}
_KINDS = {
    "text": "Text: decoders and encoders",
    "text to text": "Text to text: encoder-decoders",
    "image": "Images",
    "image to text": "Images to text",
    "image and text": "Images and text",
    "sound": "Audio",
    "sound to text": "Audio to text",
    "sound and text": "Audio and text",
    "numbers": "Time series",
    "states": "Parts that take hidden states",
    "": "Not built",
}
_SPECIAL = {
    "rotary": "rotary position embeddings (RoPE) on queries and keys",
    "grouped keys, one key head": "several query heads share a key–value head, or all of them share one",
    "keys wider than values": "query and key vectors have more dimensions than value vectors",
    "window, interval, dense": "a mask that is neither full nor causal: a sliding window, one interval of keys per query, or any "
    "other pattern",
    "bias, soft cap, sinks": "a bias added to the scores, a soft cap on the scores, or a learned attention sink per head",
    "layers differ": "not all layers have the same number of heads or the same head dimension",
    "layers without attention": "a hybrid model in which other layers do not compute attention",
    "no head outputs": "no output projection reads the head outputs directly, so per-head outputs in the residual stream are "
    "unavailable",
    "weights only": "the trace has attention weights but no queries, keys and value vectors",
}
_MARK = re.compile(r"<!-- models -->.*?<!-- /models -->", re.DOTALL)
Row = Mapping[str, Any]


def load() -> dict[str, Any]:
    """The stored table: `transformers` (its version) and `types` (rows, sorted)."""
    return json.loads(JSON.read_text(encoding="utf-8"))


def write(rows: Iterable[Row], version: str) -> None:
    """Write the JSON file, the page and the README line. Rows are sorted by type; timings are dropped."""
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
    """The number of types with each status, as a sentence."""
    counts = Counter(str(row["status"]) for row in rows)
    parts = ", ".join(f"{counts[status]} {status}" for status in STATUSES if counts[status] or status == "wrong")
    return f"Of the {len(rows)} model types of transformers {version}: {parts}."


def _page(rows: Sequence[Row], version: str) -> str:
    counts = Counter(str(row["status"]) for row in rows)
    attending = sum(counts[status] for status in ("exact", "fallback", "unsupported", "wrong", "failed"))
    parts = [
        "# Supported model types",
        "",
        "<!-- Written by scripts/table.py: edit that and run `make table`. -->",
        "",
        f"This page lists every model type of transformers {version} and says whether attnscope shows its attention exactly.",
        "",
        f"**{summary(rows, version)}**",
        f"Of the {attending} types that were built and compute attention, {counts['exact']} are exact.",
        "",
        "## How the table is made",
        "",
        "A program (`make table`) builds a tiny model of each type with random weights. It traces an input, computes the full",
        "[certificate](../explanation/exactness.md) (`Model.check`), and compares every row of every head with the model's own",
        "forward pass, which it records without attnscope.",
        "",
        "The sizes in the table (layers with attention × heads) are those of the tiny models. A real checkpoint of the same type",
        "runs the same code, and each of its traces has its own certificate.",
        "",
        "Types that are parts of others (a vision tower, a text decoder) have their own rows. A model for images and text that",
        "also runs on text alone is tried with text, so its row is about its language model.",
        "",
        "## Statuses",
        "",
        "| status | types | what it means |",
        "|---|---:|---|",
        *(f"| {status} | {counts[status]} | {meaning} |" for status, meaning in STATUSES.items()),
        "",
        "## Special properties",
        "",
        "The column *special* lists what sets the attention of a type apart from plain multi-head attention:",
        "",
        *(f"- {name}: {meaning}" for name, meaning in _SPECIAL.items()),
        "",
        "## Tokens",
        "",
        "The column *tokens* says how the tokenizer of a type writes its pieces, and how well attnscope reads them. The program",
        "builds a small tokenizer of the class that transformers names for the type, gives it texts with characters of several",
        "bytes, unknown characters, upper case, tabs and repeated spaces, and compares the shown tokens with the text:",
        "",
        *(f"- {name}: {meaning}" for name, meaning in READINGS.items()),
        "",
        "`tokenizer.json` stands for types without a class of their own. They are tried with byte-level BPE, SentencePiece, BPE",
        f"and WordPiece, and have the worst of the results. {tokens_summary(rows)}",
    ]
    for kind, title in _KINDS.items():
        chosen = [row for row in rows if row.get("kind", "") == kind and row["status"] != "no attention"]
        if not chosen:
            continue
        parts += ["", f"## {title}", ""]
        if kind:
            parts += ["| type | status | stacks | special | tokens | reason |", "|---|---|---|---|---|---|"]
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
    special = ", ".join(row.get("peculiar", []))
    return f"| {row['type']} | {row['status']} | {stacks} | {special} | {_tokens(row)} | {_cell(reason)} |"


def tokens_summary(rows: Sequence[Row]) -> str:
    """How many tokenizer classes are read how well, as a sentence."""
    classes = {row["tokens"]["tokenizer"]: row["tokens"]["reading"] for row in rows if "tokens" in row}
    counts = Counter(classes.values())
    parts = ", ".join(f"{counts[name]} {name}" for name in READINGS if counts[name] or name == "wrong")
    return f"Of {len(classes)} tokenizer classes: {parts}."


def _tokens(row: Row) -> str:
    tokens = row.get("tokens", {})
    return ", ".join(tokens[name] for name in ("pieces", "reading") if name in tokens)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
