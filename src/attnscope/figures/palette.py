"""The shared palette as matplotlib colors and colormaps."""

from __future__ import annotations

from functools import cache

from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb

from attnscope.appearance import palette

Rgb = tuple[float, float, float]

INK = to_rgb(palette.INK)
QUIET = to_rgb(palette.QUIET)
FAINT = to_rgb(palette.FAINT)
RULE = to_rgb(palette.LINE)
ACCENT = to_rgb(palette.ACCENT)
SELECTED = to_rgb(palette.SELECTED)
MASKED = to_rgb(palette.MASKED)
WHITE: Rgb = (1.0, 1.0, 1.0)
MORE = to_rgb(palette.SIGNS[-1])
LESS = to_rgb(palette.SIGNS[0])
"""The colors of positive and negative numbers."""


def head_color(head: int) -> Rgb:
    """Return the color of a head on white."""
    return to_rgb(palette.head_color(head))


def dash_style(head: int) -> str | tuple[float, tuple[float, ...]]:
    """Return the line style of a head, with dashes in points."""
    dash = palette.head_dash(head, palette.PAPER_DASHES)
    return (0.0, dash) if dash else "solid"


@cache
def weight_colors(name: str) -> Colormap:
    """Return the colormap for weights from 0 to 1: `blue`, `gray`, or matplotlib's own `cividis`."""
    if name == "cividis":
        return colormaps["cividis"]
    return LinearSegmentedColormap.from_list(f"attnscope-{name}", palette.PAPER_WEIGHTS[name])


@cache
def sign_colors() -> Colormap:
    """Return the colormap from −1 (orange) through 0 (white) to 1 (blue)."""
    return LinearSegmentedColormap.from_list("attnscope-sign", palette.SIGNS)


def mixed(color: Rgb, share: float) -> Rgb:
    """Return a color blended onto white with the given opacity."""
    red, green, blue = (1 - (1 - part) * share for part in color)
    return red, green, blue


def ink_on(color: Rgb) -> Rgb:
    """Return the text color, dark or white, that is more readable on a color."""
    return to_rgb(palette.ink_on(*color))
