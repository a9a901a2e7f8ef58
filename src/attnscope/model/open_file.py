"""`attnscope.open`: open a saved trace or workspace, with or without the model that made it."""

from __future__ import annotations

import os
from typing import Any

from attnscope.errors import InputError
from attnscope.files import shown
from attnscope.model.model import Model, handle_of
from attnscope.model.tracing.saved_trace import with_model
from attnscope.trace import Trace
from attnscope.trace.tensor_file import path_of
from attnscope.workspace.saved_file import open_path


def open(path: str | os.PathLike[str], *, model: Model | None = None) -> Trace | Any:  # noqa: A001 - the public name is attnscope.open
    """Open a file that `Trace.save`, `Workspace.save` or the app wrote: a `Trace` or a `Workspace`.

    Pass the `model` that made the trace to compute head outputs and logits too; attnscope checks that its weights are the same.
    In a workspace, this applies to the traces that this model made. Everything in the file is checked before it is used, but a
    file can be forged: its certificates are `recorded`, not measured again. To compare, trace the input again with the model; the
    same `Trace.id` means the same attention.

    Raises:
        MissingError: The file does not exist.
        DamagedError: The file is truncated or changed, is not a trace or workspace, contradicts itself, or has a newer format.
        TooLongError: The file does not fit into memory.
        InputError: `model` has other weights than the model that made the trace, or than those that made a workspace's traces.
    """
    if model is not None and not isinstance(model, Model):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"`model` must be the `attnscope.Model` that made the trace; got {type(model).__name__}.")
    found = path_of(path)
    opened = open_path(found)
    if model is None:
        return opened
    traces = [opened] if isinstance(opened, Trace) else opened.traces
    handle = handle_of(model)
    made = [with_model(trace, handle, shown(found)) for trace in traces]
    if not any(made):
        title = shown(str(traces[0].provenance.get("title")), 60)
        raise InputError(
            f"{shown(found)} was made by a model with other weights ({title}). Pass that model, or open the file without a model."
        )
    together = [trace if one is None else one for one, trace in zip(made, traces, strict=True)]
    return together[0] if isinstance(opened, Trace) else opened.with_traces(together)
