"""`attnscope.show`: shows a trace or a model as a notebook widget."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from attnscope.edits import Edit
from attnscope.errors import InputError
from attnscope.model.model import Model
from attnscope.trace import Trace
from attnscope.trace.positions import Position
from attnscope.validation import TEXT, WHOLE, check_arguments
from attnscope.widget.comparison import FieldName
from attnscope.widget.widget import AttentionWidget
from attnscope.workspace import Workspace


@check_arguments(view=TEXT, layer=WHOLE, head=WHOLE, stack=TEXT, field=TEXT)
def show(
    shown: Trace | Model | Workspace,
    view: Literal["model", "head", "neuron"] = "model",
    layer: int = 0,
    heads: Iterable[int] | None = None,
    head: int | None = None,
    token: Position | None = None,
    *,
    stack: str | None = None,
    baseline: Trace | None = None,
    field: FieldName | None = None,
    edits: Iterable[Edit | Mapping[str, Any]] | None = None,
) -> AttentionWidget:
    """Show a trace as a notebook widget; for a model, the widget has a box for a prompt, which runs in the notebook's kernel.

    Of a workspace, the widget shows the current trace beside its baseline.

    `view` is the view to open: "model" also has the others beside it if the cell is wide enough; "head" and "neuron" take the
    full width. `layer`, `heads` (None: all) and `head` (whose neurons are shown; without `heads`, it is shown alone) count from
    0. `token` selects a query: an index, a word ("nurse"), or ("the", 2) for its second occurrence; of several tokens, the last
    is selected. The selection is then in the widget's traits. Raises `InputError` for a selection that the trace doesn't have.

    `baseline` is a trace that the shown one is compared with. `field` is what the views show: "before" (the baseline), "after"
    (the shown trace), or "difference" (after − before), which is the default with a baseline. `edits` are made whenever the
    widget of a model runs a text.
    """
    chosen: list[int] | None = None if heads is None else _listed(heads)
    if head is not None:
        chosen = [head] if chosen is None else [*chosen, *([] if head in chosen else [head])]
    selected: dict[str, Any] = {"view": view, "layer": layer, "token": token}
    if isinstance(shown, Workspace) and baseline is None:
        baseline = shown.baseline
    if stack is not None:
        selected["stack"] = stack
    if baseline is not None:
        selected |= {"baseline": baseline, "field": "difference"}
    if field is not None:
        selected["field"] = field
    if edits is not None:
        selected["edits"] = edits
    if chosen:
        selected["heads"] = chosen
    if head is not None:
        selected["head"] = head
    return AttentionWidget(shown, **selected)


def _listed(heads: Iterable[int]) -> list[int]:
    if isinstance(heads, (str, bytes)) or not isinstance(heads, Iterable):
        raise InputError(f"`heads` must be a list of heads, or None for all; got {heads!r:.80}.")
    return list(heads)
