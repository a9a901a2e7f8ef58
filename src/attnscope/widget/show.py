"""`attnscope.show`: a trace or a model as a widget in a notebook."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from attnscope.errors import InputError
from attnscope.model.model import Model
from attnscope.trace import Trace
from attnscope.widget.widget import AttentionWidget


def show(
    shown: Trace | Model,
    view: Literal["model", "head", "neuron"] = "model",
    layer: int = 0,
    heads: Iterable[int] | None = None,
    head: int | None = None,
    token: int | None = None,
    *,
    stack: str | None = None,
) -> AttentionWidget:
    """A trace as a widget for a notebook's cell; of a model a box for a prompt, answered by the running kernel.

    `view` is the view to open: "model" has the others beside it, where the cell is wide enough; "head" and "neuron" take
    the whole width. `layer`, `heads` (None: all), `head` (the one whose neurons are shown; without `heads` it is shown
    alone) and `token` (a query token) count from 0. Whatever is selected is a trait of the widget afterwards. Raises
    `InputError` for a selection that the trace does not have.
    """
    chosen: list[int] | None = None if heads is None else _listed(heads)
    if head is not None:
        chosen = [head] if chosen is None else [*chosen, *([] if head in chosen else [head])]
    selected: dict[str, Any] = {"view": view, "layer": layer, "token": token}
    if stack is not None:
        selected["stack"] = stack
    if chosen:
        selected["heads"] = chosen
    if head is not None:
        selected["head"] = head
    return AttentionWidget(shown, **selected)


def _listed(heads: Iterable[int]) -> list[int]:
    if isinstance(heads, (str, bytes)) or not isinstance(heads, Iterable):
        raise InputError(f"`heads` is a list of heads, or None for all; got {heads!r}.")
    return list(heads)
