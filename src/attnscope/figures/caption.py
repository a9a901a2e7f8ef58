"""What a reader must know about a figure, as text: shown by nobody, kept in the file's metadata and on the figure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from attnscope.appearance.characters import printable
from attnscope.appearance.numerals import counted
from attnscope.edits.serialization import sentence_of
from attnscope.figures.text import labels
from attnscope.trace import Trace
from attnscope.types import Token

LONGEST_INPUT = 400


@dataclass(frozen=True)
class Caption:
    """`what` names the view, `where` the head or heads; `facts` are sentences."""

    what: str
    where: str
    model: str
    facts: tuple[str, ...]

    @property
    def title(self) -> str:
        """One line, for the file's title."""
        return f"{self.what} of {self.model}, {self.where}"

    def __str__(self) -> str:
        return " ".join((f"{self.title}.", *self.facts))

    def metadata(self, kind: str) -> dict[str, Any]:
        """The metadata of a file of a kind, in the names of that kind. Without a date: same input, same bytes."""
        return metadata(kind, self.title, str(self))


def metadata(kind: str, title: str, text: str) -> dict[str, Any]:
    """Title and text in the names of a kind of file: Dublin Core in SVG, the Info dictionary in PDF, tEXt in PNG."""
    made_by = f"attnscope {version('attnscope')}"
    if kind in ("svg", "svgz"):
        return {"Title": title, "Description": text, "Creator": made_by, "Date": None}
    if kind == "pdf":
        return {"Title": title, "Subject": text, "Creator": made_by, "CreationDate": None}
    if kind == "png":
        return {"Title": title, "Description": text, "Software": made_by}
    return {"Creator": made_by} if kind in ("ps", "eps") else {}


def caption(trace: Trace, stack: str | None, what: str, where: str, facts: Sequence[str]) -> Caption:
    """The caption of a figure of a trace; `facts` are what the view itself has to say."""
    given = trace.provenance
    model = printable(str(given.get("title") or given.get("model") or "a model"))
    return Caption(what, where, model, (_model(given), _input(trace, stack), *facts, trace.certificate.sentence))


def _model(given: dict[str, Any]) -> str:
    parts = [str(given.get("model") or given.get("title") or "not known")]
    parts += [f"revision {given['revision']}"] if given.get("revision") else []
    parts += [f"weights {given['weights']}"] if given.get("weights") else []
    parts += [str(given["dtype"])] if given.get("dtype") else []
    parts += [f"stored as {given['quantization']}"] if given.get("quantization") else []
    changed = sentence_of(given.get("edits") or [])
    return printable(f"Model: {', '.join(parts)}." + (f" {changed}" if changed else ""))


def _input(trace: Trace, stack: str | None) -> str:
    given = trace.provenance
    queries, keys = trace.tokens_for(stack)
    if isinstance(given.get("text"), str):
        texts = [given["text"], *(one for one in (given.get("pair"), given.get("target")) if isinstance(one, str))]
    else:
        texts = [_joined(queries)] if keys is queries else [_joined(queries), _joined(keys)]
    said = " / ".join(f"“{_shortened(text)}”" for text in texts)
    size = counted(len(queries), "token")
    if len(keys) != len(queries):
        size = f"{counted(len(queries), 'query', 'queries')}, {counted(len(keys), 'key')}"
    return f"Input: {said} ({size})."


def _joined(tokens: Sequence[Token]) -> str:
    return " ".join(labels(tokens))


def _shortened(text: str) -> str:
    seen = printable(text)
    return seen if len(seen) <= LONGEST_INPUT else f"{seen[:LONGEST_INPUT]}…"
