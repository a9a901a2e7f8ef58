"""Where SmolLM2 stores which country the prompt asks about: the figure in docs/how-to/patching.md.

python examples/patching.py docs/images/patching.png
"""

from __future__ import annotations

import sys
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

import attnscope

CLEAN, CORRUPTED = "The capital of France is", "The capital of Spain is"
ANSWER, FOIL = " Paris", " Madrid"


def main(path: str) -> None:
    model = attnscope.load("smollm2")
    stream = model.patch(CLEAN, CORRUPTED, what="residual", answer=ANSWER, foil=FOIL)
    heads = model.patch(CLEAN, CORRUPTED, what="output", answer=ANSWER, foil=FOIL)
    states = model.states(CLEAN, ANSWER, FOIL)
    largest = heads.frame().sort_values("effect", ascending=False).iloc[0]
    print(
        f"{CORRUPTED!r}: {stream.corrupted:.2f}, {CLEAN!r}: {stream.clean:.2f}; head {largest['layer']}.{largest['head']}"
    )

    with mpl.rc_context({"font.size": 9, "axes.titlesize": 9, "axes.titlelocation": "left"}):
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=[5, 8, 8])
        image = _map(left, stream.restored, "Residual stream, by position")
        tokens = [
            a if a == b else f"{b.strip()} for {a.strip()}" for a, b in zip(stream.labels, stream.sources, strict=True)
        ]
        left.set_xticks(range(len(tokens)), tokens, rotation=90)
        left.set_ylabel("layer")
        _map(middle, heads.restored, "Head output, by head")
        middle.set_xticks(range(9))
        middle.set_xlabel("head")
        bar = figure.colorbar(image, ax=[left, middle], location="bottom", shrink=0.6, aspect=30)
        bar.set_label("part of the logit difference that the patch restores")
        if states.contributions is not None:
            _shares(right, states.contributions.frame())
        figure.savefig(path, dpi=150)


def _map(axes: Any, values: Any, title: str) -> Any:
    image = axes.imshow(values, aspect="auto", cmap="RdBu_r", vmin=-1, vmax=1, interpolation="nearest", origin="lower")
    axes.set_title(title)
    axes.spines[:].set_visible(False)
    return image


def _shares(axes: Any, frame: Any) -> None:
    largest = frame.loc[frame["value"].abs().sort_values(ascending=False).index].head(12).iloc[::-1]
    names = [
        f"head {row.layer}.{row.head}" if row.kind == "head" else f"{row.kind} {row.layer}"
        for row in largest.itertuples()
    ]
    colors = ["#b2182b" if value > 0 else "#2166ac" for value in largest["value"]]
    axes.barh(range(len(names)), largest["value"], color=colors)
    axes.set_yticks(range(len(names)), names)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_title("Direct logit attribution")
    axes.set_xlabel("logit(Paris) − logit(Madrid)")
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main(sys.argv[1])
