"""Colours that mean something: one for each head, blue and orange for sign, a ramp for weights. The same as the page's."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_rgb

Rgb = tuple[float, float, float]

INK = to_rgb("#14181f")
QUIET = to_rgb("#5b6472")
FAINT = to_rgb("#b4bac4")
RULE = to_rgb("#d5d9e0")
ACCENT = to_rgb("#2f5bd0")
SELECTED = to_rgb("#e3eafb")
NOT_ALLOWED = to_rgb("#f1f2f5")

_HEADS = (
    *("#0072b2", "#d55e00", "#00926e", "#c45c98", "#d19000"),
    *("#349ed6", "#6a4ca8", "#807600", "#8c4e32", "#5c6778"),
)
_DASHES: tuple[tuple[float, ...], ...] = ((), (4, 2), (1, 2))


def head_colour(head: int) -> Rgb:
    """Okabe and Ito's palette made to read on white; further heads go round the OKLCH circle."""
    if head < len(_HEADS):
        return to_rgb(_HEADS[head])
    turn = head - len(_HEADS)
    return _from_oklch(0.56 - (turn % 3) * 0.06, 0.13 if turn % 2 == 0 else 0.09, 20 + turn * 137.508)


def head_dash(head: int) -> tuple[float, ...]:
    """Dash and gap in points; empty for a solid line. Heads after the tenth are dashed, after the twentieth dotted."""
    return _DASHES[head // len(_HEADS) % len(_DASHES)]


def dash_style(head: int) -> str | tuple[float, tuple[float, ...]]:
    """The dashes of a head as matplotlib takes them."""
    return (0.0, head_dash(head)) if head_dash(head) else "solid"


@cache
def weight_colours(palette: str) -> Colormap:
    """Colours of a weight from 0 to 1: `blue`, `cividis` or `grey`."""
    if palette == "cividis":
        return colormaps["cividis"]
    ramps = {"blue": ["#ffffff", "#c5d3f5", "#7a9ae4", "#2f5bd0", "#11215c"], "grey": ["#ffffff", "#000000"]}
    return LinearSegmentedColormap.from_list(f"attnscope-{palette}", ramps[palette])


@cache
def sign_colours() -> Colormap:
    """Colours from −1 (orange) through 0 (white) to 1 (blue)."""
    return LinearSegmentedColormap.from_list("attnscope-sign", ["#b84c00", "#f6ac6e", "#ffffff", "#70aae8", "#124eac"])


def mixed(colour: Rgb, share: float) -> Rgb:
    """A colour laid over white with an opacity."""
    red, green, blue = (1 - (1 - part) * share for part in colour)
    return red, green, blue


def ink_on(colour: Rgb) -> Rgb:
    """Dark or white text, whichever reads better on a colour."""
    red, green, blue = (part**2.2 for part in colour)
    return INK if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.3 else (1.0, 1.0, 1.0)


def _from_oklch(lightness: float, chroma: float, degrees: float) -> Rgb:
    angle = math.radians(degrees)
    a, b = chroma * math.cos(angle), chroma * math.sin(angle)
    to_lms = np.array(
        [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
    )
    to_linear = np.array(
        [
            [4.0767416621, -3.3077115913, 0.2309699292],
            [-1.2684380046, 2.6097574011, -0.3413193965],
            [-0.0041960863, -0.7034186147, 1.707614701],
        ]
    )
    linear = np.clip(to_linear @ (to_lms @ np.array([lightness, a, b])) ** 3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return float(encoded[0]), float(encoded[1]), float(encoded[2])
