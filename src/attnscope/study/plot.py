"""Figures of results: the means of all heads as a grid, and the largest with their intervals and every unit's value."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from attnscope.appearance.palette import ACCENT, INK, LINE, PAPER_WEIGHTS, QUIET, SIGNS
from attnscope.study.intervals import FEWEST
from attnscope.study.result import Result

_WEIGHT_COLORS = LinearSegmentedColormap.from_list("weights", next(iter(PAPER_WEIGHTS.values())))
_SIGN_COLORS = LinearSegmentedColormap.from_list("signs", SIGNS)
_SMALL = 8.0


def plot_result(result: Result, value: str, k: int, ax: Any = None) -> Figure:
    """Implement `Result.plot`."""
    if ax is not None:
        _draw(ax, result, value, k)
        return ax.get_figure(root=True)
    of_heads = {"layer", "head"} <= set(result.cells.columns)
    figure = Figure(figsize=(9.0 if of_heads else 5.2, 4.4), layout="constrained")
    figure.suptitle(textwrap.fill(result.sentence, 110), fontsize=9, color=INK, x=0.01, ha="left")
    if not of_heads:
        _draw(figure.add_subplot(), result, value, k)
        return figure
    left, right = figure.subplots(1, 2, width_ratios=(1.15, 1))
    _grid(figure, left, result, value)
    _draw(right, result, value, k)
    return figure


def _draw(ax: Axes, result: Result, value: str, k: int) -> None:
    if list(result.cells.columns) == ["after"]:
        _line(ax, result, value)
    else:
        _largest(ax, result, value, k)
    ax.tick_params(labelsize=_SMALL, colors=INK, length=0)
    for side in ("top", "right", "left"):
        ax.spines[side].set_visible(False)
    ax.spines["bottom"].set_color(LINE)


def _grid(figure: Figure, ax: Axes, result: Result, value: str) -> None:
    """Means by layer (rows) and head (columns)."""
    table: Any = result.summary(value)
    layers, heads = int(table["layer"].max()) + 1, int(table["head"].max()) + 1
    image = np.full((layers, heads), np.nan)
    image[table["layer"].to_numpy(int), table["head"].to_numpy(int)] = table["mean"].to_numpy(float)
    largest = float(np.nanmax(np.abs(image))) if not bool(np.isnan(image).all()) else 1.0
    norm = Normalize(-largest, largest) if result.signed else Normalize(min(0.0, float(np.nanmin(image))), largest)
    drawn = ax.imshow(image, cmap=_SIGN_COLORS if result.signed else _WEIGHT_COLORS, norm=norm, aspect="auto")
    ax.set_xlabel("head", fontsize=_SMALL, color=QUIET)
    ax.set_ylabel("layer", fontsize=_SMALL, color=QUIET)
    ax.tick_params(labelsize=_SMALL, colors=INK, length=0)
    ax.set_xticks(range(0, heads, max(1, heads // 12)))
    ax.set_yticks(range(0, layers, max(1, layers // 12)))
    for spine in ax.spines.values():
        spine.set_color(LINE)
    bar = figure.colorbar(drawn, ax=ax, location="bottom", shrink=0.6, aspect=30, pad=0.02)
    bar.set_label(f"{_words(value)}, mean", fontsize=_SMALL, color=QUIET)
    bar.ax.tick_params(labelsize=_SMALL, colors=INK)
    bar.outline.set_visible(False)  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue] - a spine


def _largest(ax: Axes, result: Result, value: str, k: int) -> None:
    """The largest cells, edits before their controls, one under the other: every unit's value, the mean and its interval."""
    table: Any = result.shown(k, value)[::-1].reset_index(drop=True)
    units = _unit_values(result, value)
    names = [_name(row) for _, row in table[list(result.cells.columns)].iterrows()]
    columns = _columns_of(result.cells, table)
    for place, column in enumerate(columns):
        if units is not None:
            own = units[:, column]
            jitter = np.linspace(-0.22, 0.22, len(own)) if len(own) > 1 else np.zeros(1)
            ax.plot(own, place + jitter, ".", color=QUIET, markersize=3, alpha=0.45, zorder=1)
        mean, low, high = (float(table[name].iloc[place]) for name in ("mean", "low", "high"))
        if not np.isnan(low):
            ax.plot([low, high], [place, place], color=ACCENT, linewidth=1.6, solid_capstyle="butt", zorder=2)
        ax.plot([mean], [place], "o", color=ACCENT, markersize=4.5, zorder=3)
    if result.signed:
        ax.axvline(0.0, color=LINE, linewidth=0.8, zorder=0)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(-0.7, len(names) - 0.3)
    n = int(table["n"].max()) if len(table) else 0
    interval = (
        "mean and 95 % interval; dots: units" if n >= FEWEST else f"mean; dots: units (no interval below {FEWEST})"
    )
    ax.set_xlabel(f"{_words(value)} — {interval}, n = {n}", fontsize=_SMALL, color=QUIET)


def _line(ax: Axes, result: Result, value: str) -> None:
    """A value by the number of layers, with its interval."""
    table: Any = result.summary(value)
    after = table["after"].to_numpy(float)
    if not bool(table["low"].isna().all()):
        ax.fill_between(
            after, table["low"].to_numpy(float), table["high"].to_numpy(float), color=ACCENT, alpha=0.2, lw=0
        )
    ax.plot(after, table["mean"].to_numpy(float), color=ACCENT, linewidth=1.6)
    ax.set_xlabel(f"layers (0: embeddings); n = {int(table['n'].max())}", fontsize=_SMALL, color=QUIET)
    ax.set_ylabel(_words(value), fontsize=_SMALL, color=QUIET)


def _unit_values(result: Result, value: str) -> np.ndarray | None:
    """Every unit's value; None for a ratio of sums, which single units do not have."""
    return result.by_unit(value) if value in result.values else None


def _columns_of(cells: pd.DataFrame, table: pd.DataFrame) -> list[int]:
    names = list(cells.columns)
    places = {tuple(row): place for place, row in enumerate(cells.itertuples(index=False, name=None))}
    return [places[tuple(row)] for row in table[names].itertuples(index=False, name=None)]


def _name(row: pd.Series) -> str:
    parts = {str(name): part for name, part in row.items()}
    if "variant" in parts:
        return str(parts["variant"])
    if {"layer", "head"} <= parts.keys():
        head = f"{parts.pop('layer')}.{parts.pop('head')}"
        return " ".join([head, *map(str, parts.values())])
    return " ".join(map(str, parts.values()))


def _words(value: str) -> str:
    return value.replace("_", " ")
