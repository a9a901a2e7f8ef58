"""The interface inside a notebook: Jupyter, VS Code, Colab, marimo. docs/how-to/notebooks.md says how to use it."""

from attnscope.widget.show import show
from attnscope.widget.widget import AttentionWidget

__all__ = ["AttentionWidget", "show"]
