"""A drawing surface on matplotlib axes, measured in points. All views draw on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.patches import Rectangle
from matplotlib.path import Path
from numpy.typing import NDArray

from attnscope.figures.palette import INK, Rgb
from attnscope.figures.paper import POINTS
from attnscope.figures.text import Fonts

MOST_VECTOR_CELLS = 20_000
"""Grids with more cells than this are embedded as a raster image."""


class Sheet:
    """Axes used like a sheet of paper: the origin is the upper left corner, y points down, and units are points."""

    def __init__(self, ax: Axes, fonts: Fonts) -> None:
        self.ax, self.fonts = ax, fonts
        ax.set_axis_off()
        figure = ax.get_figure(root=True)
        assert figure is not None
        if figure.get_layout_engine() is not None:
            figure.draw_without_rendering()  # a layout engine only positions the axes when the figure is drawn
        box = ax.get_window_extent()
        self.width, self.height = (float(side) / figure.dpi * POINTS for side in (box.width, box.height))
        ax.set_aspect("auto")
        ax.set_xlim(0, self.width)
        ax.set_ylim(self.height, 0)
        ax.set_autoscale_on(False)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        color: Rgb = INK,
        ha: Literal["left", "center", "right"] = "left",
        bold: bool = False,
        turned: bool = False,
        room: float = float("inf"),
    ) -> None:
        """Draw a line of text centered vertically on y, shortened to `room`. With `turned`, it reads upwards from y."""
        self.ax.text(
            x,
            y,
            self.fonts.fitted(text, size, room, bold=bold),
            fontproperties=self.fonts.properties(size, bold=bold),
            color=color,
            ha="center" if turned else ha,
            va="bottom" if turned else "center_baseline",
            rotation=90 if turned else 0,
            rotation_mode="default",
            parse_math=False,
            usetex=False,
            clip_on=False,
        )

    def box(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        *,
        fill: Rgb | None = None,
        edge: Rgb | None = None,
        weight: float = 0.5,
    ) -> None:
        """Draw a rectangle, filled or outlined."""
        self.ax.add_patch(
            Rectangle(
                (x, y),
                width,
                height,
                facecolor="none" if fill is None else fill,
                edgecolor="none" if edge is None else edge,
                linewidth=0 if edge is None else weight,
                clip_on=False,
            )
        )

    def rule(self, x0: float, x1: float, y: float, color: Rgb) -> None:
        """Draw a dashed horizontal hairline."""
        line = LineCollection([[(x0, y), (x1, y)]], colors=[color], linewidths=0.5, linestyles=[(0, (2, 2))])
        self.ax.add_collection(line, autolim=False)

    def curves(
        self, ends: NDArray[np.float64], color: Rgb, opacity: NDArray[Any], widths: Any, dash: Any, name: str
    ) -> None:
        """Draw S-curves, horizontal at both ends. `ends` is [line, (x0, y0, x1, y1)]; the most opaque lines are on top."""
        order = np.argsort(opacity, kind="stable")
        codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
        paths: list[Path] = []
        for x0, y0, x1, y1 in ends[order]:
            middle = (x0 + x1) / 2
            paths.append(Path([(x0, y0), (middle, y0), (middle, y1), (x1, y1)], codes))
        drawn = PathCollection(
            paths,
            facecolors="none",
            edgecolors=_rgba(color, opacity[order]),
            linewidths=np.broadcast_to(widths, opacity.shape)[order],
            linestyles=[dash],
            capstyle="butt",
        )
        self._collect(drawn, name)

    def segments(self, ends: NDArray[np.float64], color: Rgb, opacity: NDArray[Any], width: float, name: str) -> None:
        """Draw straight lines. `ends` is [line, (x0, y0, x1, y1)]; the most opaque lines are on top."""
        order = np.argsort(opacity, kind="stable")
        drawn = LineCollection(
            list(ends[order].reshape(-1, 2, 2)), colors=_rgba(color, opacity[order]), linewidths=width, capstyle="butt"
        )
        self._collect(drawn, name)

    def cells(
        self, colors: NDArray[Any], x: float, y: float, width: float, height: float, name: str, *, vector: bool = True
    ) -> None:
        """Draw a grid of colors [row, column, rgb], stretched over a rectangle."""
        rows, columns = colors.shape[:2]
        drawn: Any
        if vector and rows * columns <= MOST_VECTOR_CELLS:
            xs, ys = np.linspace(x, x + width, columns + 1), np.linspace(y, y + height, rows + 1)
            drawn = self.ax.pcolormesh(xs, ys, colors, edgecolors="face", linewidth=0.1, antialiased=True)
        else:
            extent = (x, x + width, y + height, y)
            drawn = self.ax.imshow(colors, extent=extent, aspect="auto", origin="upper", interpolation="none")
        drawn.set_clip_on(False)
        drawn.set_gid(name)

    def _collect(self, drawn: Any, name: str) -> None:
        drawn.set_gid(name)
        drawn.set_clip_on(False)
        self.ax.add_collection(drawn, autolim=False)


def _rgba(color: Rgb, opacity: NDArray[Any]) -> NDArray[np.float64]:
    """Combine one color with many opacities, rounded to a thousandth because a PDF stores an entry for each distinct one."""
    return np.column_stack([np.tile(color, (len(opacity), 1)), np.round(opacity.astype(np.float64), 3)])


def widest(fonts: Fonts, texts: Sequence[str], size: float) -> float:
    """Return the width of the widest text, in points."""
    return max((fonts.width(fonts.written(text), size) for text in texts), default=0.0)
