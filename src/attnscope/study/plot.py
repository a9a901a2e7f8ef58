"""Figures of results: the means of all heads as a grid, and the largest with their intervals and every unit's value."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from attnscope.appearance.palette import ACCENT, INK, LINE, PAPER_WEIGHTS, QUIET, SIGNS
from attnscope.study.intervals import FEWEST

_WEIGHT_COLORS = LinearSegmentedColormap.from_list("weights", next(iter(PAPER_WEIGHTS.values())))
_SIGN_COLORS = LinearSegmentedColormap.from_list("signs", SIGNS)
_SMALL = 8.0


@dataclass(frozen=True, eq=False)
class Drawn:
    """What is drawn of a result: its summary, the largest cells, and every unit's values [unit, cell] (None for a ratio of sums).

    `statistic` says what the point of a cell is ("mean"), and `keys` are the columns that name a cell.
    """

    value: str
    statistic: str
    sentence: str
    signed: bool
    keys: tuple[str, ...]
    summary: Any
    top: Any
    units: np.ndarray | None


def plot(drawn: Drawn, ax: Any = None) -> Figure:
    """Implement `Result.plot`."""
    if ax is not None:
        _draw(ax, drawn)
        return ax.get_figure(root=True)
    of_heads = {"layer", "head"} <= set(drawn.keys)
    figure = Figure(figsize=(9.0 if of_heads else 5.2, 4.4), layout="constrained")
    figure.suptitle(textwrap.fill(drawn.sentence, 110 if of_heads else 64), fontsize=9, color=INK, x=0.01, ha="left")
    if not of_heads:
        _draw(figure.add_subplot(), drawn)
        return figure
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _grid(figure, left, drawn)
    _draw(right, drawn)
    return figure


def _draw(ax: Axes, drawn: Drawn) -> None:
    if drawn.keys == ("after",):
        _line(ax, drawn)
    else:
        _largest(ax, drawn)
    ax.tick_params(labelsize=_SMALL, colors=INK, length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(LINE)


def _grid(figure: Figure, ax: Axes, drawn: Drawn) -> None:
    """Means by layer (rows) and head (columns)."""
    table = drawn.summary
    layers, heads = int(table["layer"].max()) + 1, int(table["head"].max()) + 1
    image = np.full((layers, heads), np.nan)
    image[table["layer"].to_numpy(int), table["head"].to_numpy(int)] = table["mean"].to_numpy(float)
    largest = float(np.nanmax(np.abs(image))) if not bool(np.isnan(image).all()) else 1.0
    norm = Normalize(-largest, largest) if drawn.signed else Normalize(min(0.0, float(np.nanmin(image))), largest)
    image_drawn = ax.imshow(image, cmap=_SIGN_COLORS if drawn.signed else _WEIGHT_COLORS, norm=norm, aspect="auto")
    ax.set_xlabel("head", fontsize=_SMALL, color=QUIET)
    ax.set_ylabel("layer", fontsize=_SMALL, color=QUIET)
    ax.tick_params(labelsize=_SMALL, colors=INK, length=0)
    ax.set_xticks(range(0, heads, max(1, heads // 12)))
    ax.set_yticks(range(0, layers, max(1, layers // 12)))
    for spine in ax.spines.values():
        spine.set_color(LINE)
    bar = figure.colorbar(image_drawn, ax=ax, location="bottom", shrink=0.6, aspect=30, pad=0.02)
    bar.set_label(f"{_words(drawn.value)}, {drawn.statistic}", fontsize=_SMALL, color=QUIET)
    bar.ax.tick_params(labelsize=_SMALL, colors=INK)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue] - a spine


def _largest(ax: Axes, drawn: Drawn) -> None:
    """The largest cells, edits before their controls, one under the other: every unit's value, the mean and its interval."""
    table, units = drawn.top[::-1].reset_index(drop=True), drawn.units
    names = [_name(row) for _, row in table[list(drawn.keys)].iterrows()]
    columns = _columns_of(drawn, table)
    for place, column in enumerate(columns):
        if units is not None:
            own = units[:, column]
            jitter = np.linspace(-0.22, 0.22, len(own)) if len(own) > 1 else np.zeros(1)
            ax.plot(own, place + jitter, ".", color=QUIET, markersize=3, alpha=0.45, zorder=1)
        mean, low, high = (float(table[name].iloc[place]) for name in ("mean", "low", "high"))
        if not np.isnan(low):
            ax.plot([low, high], [place, place], color=ACCENT, linewidth=1.6, solid_capstyle="butt", zorder=2)
        ax.plot([mean], [place], "o", color=ACCENT, markersize=4.5, zorder=3)
    if drawn.signed:
        ax.axvline(0.0, color=LINE, linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(-0.7, len(names) - 0.3)
    n = int(table["n"].max()) if len(table) else 0
    dots = "" if units is None else "; dots: units"
    known = f", 95 % interval{dots}" if n >= FEWEST else f"{dots} (no interval below {FEWEST})"
    ax.set_xlabel(f"{_words(drawn.value)} — {drawn.statistic}{known}, n = {n}", fontsize=_SMALL, color=QUIET)


def _line(ax: Axes, drawn: Drawn) -> None:
    """A value by the number of layers, with its interval."""
    table = drawn.summary
    after = table["after"].to_numpy(float)
    if not bool(table["low"].isna().all()):
        ax.fill_between(
            after, table["low"].to_numpy(float), table["high"].to_numpy(float), color=ACCENT, alpha=0.2, lw=0
        )
    ax.plot(after, table["mean"].to_numpy(float), color=ACCENT, linewidth=1.6)
    ax.set_xlabel(f"layers (0: embeddings); n = {int(table['n'].max())}", fontsize=_SMALL, color=QUIET)
    ax.set_ylabel(_words(drawn.value), fontsize=_SMALL, color=QUIET)


def _columns_of(drawn: Drawn, table: Any) -> list[int]:
    """The index of each row of a table among all cells."""
    names = list(drawn.keys)
    places = {row: place for place, row in enumerate(drawn.summary[names].itertuples(index=False, name=None))}
    return [places[row] for row in table[names].itertuples(index=False, name=None)]


def _name(row: Any) -> str:
    parts = {str(name): part for name, part in row.items()}
    if "variant" in parts:
        return str(parts["variant"])
    if {"layer", "head"} <= parts.keys():
        head = f"{parts.pop('layer')}.{parts.pop('head')}"
        return " ".join([head, *map(str, parts.values())])
    if "variant" in parts:
        return str(parts["variant"])
    if "dims" in parts:
        parts.pop("pair", None)
    return " ".join(str(part) for part in parts.values() if str(part))


def _words(value: str) -> str:
    return value.replace("_", " ")
