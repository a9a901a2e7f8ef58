"""Captions: what a reader must know about a figure. They are not drawn, but stored on the figure and in file metadata."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from attnscope.appearance.characters import printable
from attnscope.appearance.numerals import counted
from attnscope.edits.serialization import sentence_of
from attnscope.figures.request import Request
from attnscope.figures.text import labels
from attnscope.trace import Trace
from attnscope.types import Token

LONGEST_INPUT = 400


@dataclass(frozen=True)
class Caption:
    """The parts of a caption: `what` names the view, `where` the head or heads, and `facts` are sentences."""

    what: str
    where: str
    model: str
    facts: tuple[str, ...]

    @property
    def title(self) -> str:
        """One line for the title in the file's metadata."""
        return f"{self.what} of {self.model}, {self.where}"

    def __str__(self) -> str:
        return " ".join((f"{self.title}.", *self.facts))

    def metadata(self, kind: str) -> dict[str, Any]:
        """Return metadata for a file format, without a date, so the same figure always produces the same bytes."""
        return metadata(kind, self.title, str(self))


def metadata(kind: str, title: str, text: str) -> dict[str, Any]:
    """Return title and text under a file format's own keys: Dublin Core in SVG, Info dictionary in PDF, tEXt in PNG."""
    creator = f"attnscope {version('attnscope')}"
    if kind in ("svg", "svgz"):
        return {"Title": title, "Description": text, "Creator": creator, "Date": None}
    if kind == "pdf":
        return {"Title": title, "Subject": text, "Creator": creator, "CreationDate": None}
    if kind == "png":
        return {"Title": title, "Description": text, "Software": creator}
    return {"Creator": creator} if kind in ("ps", "eps") else {}


def caption(request: Request, what: str, where: str, facts: Sequence[str]) -> Caption:
    """Build the caption of a figure; `facts` are the sentences that the view itself contributes."""
    trace, stack = request.trace, request.stack
    provenance = trace.provenance
    model = printable(str(provenance.get("title") or provenance.get("model") or "a model"))
    described = (_model(provenance), _input(trace, stack))
    if request.comparison is None:
        return Caption(what, where, model, (*described, *facts, trace.certificate.sentence))
    baseline = request.comparison.baseline
    others = (_model(baseline.provenance), _input(baseline, stack))
    differing = [one for one, own in zip(others, described, strict=True) if one != own]
    against = " ".join(["Baseline:", *differing]) if differing else "Baseline: the same."
    sentences = [trace.certificate.sentence, f"Baseline: {baseline.certificate.sentence}"]
    return Caption(
        f"Difference in the {what[0].lower()}{what[1:]}", where, model, (*described, against, *facts, *sentences)
    )


def _model(provenance: dict[str, Any]) -> str:
    parts = [str(provenance.get("model") or provenance.get("title") or "unknown")]
    parts += [f"revision {provenance['revision']}"] if provenance.get("revision") else []
    parts += [f"weights {provenance['weights']}"] if provenance.get("weights") else []
    parts += [str(provenance["dtype"])] if provenance.get("dtype") else []
    parts += [f"quantization {provenance['quantization']}"] if provenance.get("quantization") else []
    edited = sentence_of(provenance.get("edits") or [])
    return printable(f"Model: {', '.join(parts)}." + (f" {edited}" if edited else ""))


def _input(trace: Trace, stack: str | None) -> str:
    provenance = trace.provenance
    queries, keys = trace.tokens_for(stack)
    if isinstance(provenance.get("text"), str):
        others = (provenance.get("pair"), provenance.get("target"))
        texts = [provenance["text"], *(text for text in others if isinstance(text, str))]
    else:
        texts = [_joined(queries)] if keys is queries else [_joined(queries), _joined(keys)]
    quoted = " / ".join(f"“{_shortened(text)}”" for text in texts)
    size = counted(len(queries), "token")
    if len(keys) != len(queries):
        size = f"{counted(len(queries), 'query', 'queries')}, {counted(len(keys), 'key')}"
    return f"Input: {quoted} ({size})."


def _joined(tokens: Sequence[Token]) -> str:
    return " ".join(labels(tokens))


def _shortened(text: str) -> str:
    visible = printable(text)
    return visible if len(visible) <= LONGEST_INPUT else f"{visible[:LONGEST_INPUT]}…"
