"""Colors of heads, weights, signed numbers, text and lines, as hexadecimal sRGB."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from attnscope.appearance.shared import shared

Theme = Literal["light", "dark"]
Dash = tuple[float, ...]

_HEADS: dict[str, Any] = shared()["heads"]
_INKS: dict[str, Any] = shared()["inks"]
_WEIGHTS: dict[str, Any] = shared()["weights"]

GROUND: str = _INKS["light"]["ground"]
INK: str = _INKS["light"]["ink"]
QUIET: str = _INKS["light"]["quiet"]
LINE: str = _INKS["light"]["line"]
ACCENT: str = _INKS["light"]["accent"]
FAINT: str = _INKS["paper"]["faint"]
SELECTED: str = _INKS["paper"]["selected"]
MASKED: str = _INKS["paper"]["masked"]
FRAME: str = _INKS["notebook"]["frame"]

SIGNS: tuple[str, ...] = tuple(shared()["signs"]["light"])
"""Evenly spaced stops from −1 through 0 to 1."""

PAPER_WEIGHTS: dict[str, tuple[str, ...]] = {name: tuple(stops) for name, stops in _WEIGHTS["paper"].items()}
"""Evenly spaced stops from weight 0 (pure white) to weight 1, by palette name."""

NOTEBOOK_WEIGHTS: tuple[str, ...] = tuple(_WEIGHTS["notebook"])
"""Stops from weight 0 to weight 1 for the thumbnails in a saved notebook."""

SCREEN_DASHES: tuple[Dash, ...] = tuple(map(tuple, shared()["dashes"]["screen"]))
"""In CSS pixels: for the first ten heads, the next ten, and the rest."""

PAPER_DASHES: tuple[Dash, ...] = tuple(map(tuple, shared()["dashes"]["paper"]))
"""In points: for the first ten heads, the next ten, and the rest."""

DECADES: int = shared()["log_scale"]["decades"]
"""Decades that a logarithmic scale covers, down from weight 1."""


def head_color(head: int, theme: Theme = "light") -> str:
    """Return a head's color: Okabe-Ito, adjusted to the theme, then further hues around the OKLCH circle."""
    named = _HEADS[theme]
    if head < len(named):
        return named[head]
    turn, further = head - len(named), _HEADS["further"]
    lightness, hue, chroma = further["lightness"][theme], further["hue"], further["chroma"]
    return _from_oklch(
        lightness["first"] + (turn % 3) * lightness["step"],
        chroma[turn % len(chroma)],
        hue["first"] + turn * hue["step"],
    )


def head_dash(head: int, dashes: Sequence[Dash]) -> Dash:
    """Return a head's dash and gap; empty for a solid line.

    Color is never the only cue: heads after the tenth are dashed, after the twentieth dotted.
    """
    return dashes[head // len(_HEADS["light"]) % len(dashes)]


def ramp(stops: Sequence[str], shares: Float[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape 3"]:
    """Interpolate evenly spaced color stops at shares from 0 to 1, as bytes. Shares outside that range are clipped."""
    at = np.clip(shares, 0, 1) * (len(stops) - 1)
    channels = np.array([channels_of(stop) for stop in stops], dtype=np.float64).T
    mixed = [np.interp(at, np.arange(len(stops)), channel) for channel in channels]
    return np.floor(np.stack(mixed, axis=-1) + 0.5).astype(np.uint8)


def reads_dark(red: float, green: float, blue: float) -> bool:
    """Return whether dark text is more readable than white text on a color; channels run from 0 to 1."""
    luminance = 0.2126 * red**2.2 + 0.7152 * green**2.2 + 0.0722 * blue**2.2
    return luminance > _INKS["on_color"]["dark_above"]


def ink_on(red: float, green: float, blue: float) -> str:
    """Return the text color, dark or white, that is more readable on a color; channels run from 0 to 1."""
    return _INKS["on_color"]["dark" if reads_dark(red, green, blue) else "light"]


def channels_of(color: str) -> tuple[int, int, int]:
    """Return red, green and blue of `#rrggbb`, from 0 to 255."""
    red, green, blue = bytes.fromhex(color.removeprefix("#"))
    return red, green, blue


_TO_LMS = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.291485548]]
)
_TO_LINEAR = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.707614701],
    ]
)


def _from_oklch(lightness: float, chroma: float, degrees: float) -> str:
    """Convert OKLCH (Ottosson 2020) to sRGB, clipped to the sRGB gamut."""
    angle = math.radians(degrees)
    lab = np.array([lightness, chroma * math.cos(angle), chroma * math.sin(angle)])
    linear: NDArray[np.float64] = np.clip(_TO_LINEAR @ (_TO_LMS @ lab) ** 3, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return "#" + np.floor(255 * encoded + 0.5).astype(np.uint8).tobytes().hex()
