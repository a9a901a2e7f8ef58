"""Traces of random weights, and figures read back from their files."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np

import attnscope

SVG = "{http://www.w3.org/2000/svg}"


def given(tokens: list[str], layers: int = 1, heads: int = 2, sentence_b_start: int | None = None) -> attnscope.Trace:
    """A trace of random causal weights."""
    draw = np.random.default_rng(len(tokens))
    attentions = []
    for _ in range(layers):
        weights = np.tril(np.exp(2 * draw.normal(size=(heads, len(tokens), len(tokens)))))
        attentions.append((weights / weights.sum(-1, keepdims=True)).astype(np.float32))
    return attnscope.Trace.from_attention(attentions, tokens, sentence_b_start)


class Svg:
    """A written SVG file."""

    def __init__(self, path: Path) -> None:
        self.source = path.read_text(encoding="utf-8")
        self.root = ElementTree.fromstring(self.source)

    @property
    def texts(self) -> list[str]:
        """The text elements, in their order."""
        return ["".join(one.itertext()) for one in self.root.iter(f"{SVG}text")]

    @property
    def description(self) -> str:
        """Dublin Core's description."""
        return self.root.find(".//{http://purl.org/dc/elements/1.1/}description").text or ""

    def opacities(self, name: str) -> list[float]:
        """Of the strokes of a named group, ascending."""
        group = next(one for one in self.root.iter(f"{SVG}g") if one.get("id") == name)
        styles = [dict(part.split(": ") for part in one.get("style").split("; ")) for one in group.iter(f"{SVG}path")]
        return sorted(float(style.get("stroke-opacity", 1)) for style in styles)


def saved(figure, path: Path) -> Svg:
    """The figure as an SVG file, read again."""
    figure.savefig(path)
    return Svg(path)
