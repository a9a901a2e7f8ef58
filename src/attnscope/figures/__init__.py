"""Figures for papers: matplotlib, vector, with real text, at the width of one or two columns."""

from attnscope.figures.drawing import figure

__all__ = ["figure"]
