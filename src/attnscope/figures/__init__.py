"""Vector figures for papers, drawn with matplotlib: real text, one or two columns wide."""

from attnscope.figures.drawing import figure

__all__ = ["figure"]
