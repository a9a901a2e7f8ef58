"""The live figures of the documentation: each function traces a text and exports a page; see docs/_ext/live_figure.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import attnscope

NURSE = "The doctor asked the nurse a question. She"
FOX = "The quick, brown fox jumps over the lazy"
CATS = ("the cat sat on the mat", "the cat lay on the rug")


@dataclass(frozen=True)
class LiveFigure:
    """A page to show in a frame: what writes it, the frame's title for screen readers, its height in pixels."""

    write: Callable[[Path], object]
    title: str
    height: int


FIGURES: dict[str, LiveFigure] = {}


def live_figure(title: str, height: int) -> Callable[[Callable[[Path], object]], Callable[[Path], object]]:
    """Registers a function under its name, with hyphens for underscores."""

    def register(write: Callable[[Path], object]) -> Callable[[Path], object]:
        FIGURES[write.__name__.replace("_", "-")] = LiveFigure(write, title, height)
        return write

    return register


@cache
def _model(name: str) -> attnscope.Model:
    return attnscope.load(name)


@live_figure("Head view: head 9.4 of SmolLM2 over the doctor and nurse sentence", height=620)
def nurse(path: Path) -> object:
    """Which earlier word does *She* attend to?"""
    trace = _model("smollm2").trace(NURSE)
    return attnscope.export(trace, path, view="head", layer=9, heads=[4])


@live_figure("Model view: all heads of MiniLM over a pair of sentences", height=520)
def cats(path: Path) -> object:
    """All heads of an encoder over a sentence pair."""
    trace = _model("minilm").trace(CATS[0], pair=CATS[1])
    return attnscope.export(trace, path, view="model", layer=2, heads=[9])


@live_figure("Neuron view: head 11.0 of SmolLM2 with the query lazy", height=520)
def fox_neurons(path: Path) -> object:
    """The query and key neurons behind a head that falls off with distance."""
    trace = _model("smollm2").trace(FOX)
    return attnscope.export(trace, path, layers=range(8, 14), view="neuron", layer=11, heads=[0], token=8)
