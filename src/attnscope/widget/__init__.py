"""The notebook widget, for Jupyter, VS Code, Colab and marimo. docs/how-to/notebooks.md explains how to use it."""

from attnscope.widget.show import show
from attnscope.widget.widget import AttentionWidget

__all__ = ["AttentionWidget", "show"]
