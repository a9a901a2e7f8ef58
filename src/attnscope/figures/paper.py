"""matplotlib figures that save with real text in SVG and PDF, and with their captions in the metadata."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from attnscope.figures.caption import Caption, metadata
from attnscope.files import replacing

POINTS = 72
WIDTHS = {"column": 3.25, "page": 6.75}
"""Width of one and of two columns, in inches. ACL, NeurIPS, IEEE and similar templates differ by less than 0.3 inches."""

PAGE_HEIGHT = 9.0

_AS_TEXT: dict[Any, Any] = {"svg.fonttype": "none", "pdf.fonttype": 42, "ps.fonttype": 42, "svg.hashsalt": "attnscope"}
_CAPTIONS = "_attnscope_captions"


class PaperFigure(Figure):
    """A figure that pyplot does not manage, so it is freed when nothing refers to it."""

    def savefig(self, fname: Any, **options: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Save like matplotlib, but with real text, captions in the metadata, and 300 dpi for raster formats.

        A file is written atomically: if saving fails, an old file is kept. Raises `InputError` or `WriteError`.
        """
        options.setdefault("dpi", 300)
        _save(super().savefig, self, fname, **options)

    def _repr_png_(self) -> tuple[bytes, dict[str, float]]:
        """Return the PNG that a notebook shows for this figure, with its size in CSS pixels."""
        file = BytesIO()
        self.savefig(file, format="png", dpi=200)
        wide, high = self.get_size_inches() * 1.5 * POINTS
        return file.getvalue(), {"width": float(wide), "height": float(high)}


def add_caption(figure: Figure, caption: Caption) -> None:
    """Add a caption to a figure and to its `attnscope_caption`, and make `savefig` write it to the metadata."""
    kept: list[Caption] = [*getattr(figure, _CAPTIONS, []), caption]
    setattr(figure, _CAPTIONS, kept)
    figure.attnscope_caption = " ".join(map(str, kept))  # pyright: ignore[reportAttributeAccessIssue]
    if len(kept) == 1 and not isinstance(figure, PaperFigure):
        figure.savefig = partial(_save, partial(type(figure).savefig, figure), figure)


def _save(save: Any, figure: Figure, fname: Any, **options: Any) -> None:
    kind = options.get("format") or _kind(fname)
    kept: list[Caption] = getattr(figure, _CAPTIONS, [])
    own = metadata(kind, "; ".join(one.title for one in kept), " ".join(map(str, kept))) if kept else {}
    merged = {**own, **(options.pop("metadata", None) or {})}
    if merged:
        options["metadata"] = merged
    with mpl.rc_context(_AS_TEXT):
        if not isinstance(fname, (str, os.PathLike)):
            save(fname, **options)
            return
        with replacing(_with_extension(Path(fname), options), "the figure") as unfinished:
            save(unfinished, **options)


def _with_extension(path: Path, options: Mapping[str, Any]) -> Path:
    """`path` with the extension that matplotlib adds to a name without one, if no format is passed."""
    return path if path.suffix or options.get("format") else path.with_name(f"{path.name.rstrip('.')}.{_kind(path)}")


def _kind(fname: Any) -> str:
    suffix = Path(fname).suffix if isinstance(fname, (str, os.PathLike)) else ""
    return suffix.removeprefix(".").lower() or str(mpl.rcParams["savefig.format"])
