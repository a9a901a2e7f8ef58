"""Checks of the arguments that the functions of `attnscope.analysis` share."""

from __future__ import annotations

from typing import Any

from torch import nn

from attnscope.attention import QKRecord
from attnscope.errors import InputError
from attnscope.trace import Trace


def check_trace(trace: Any, function: str) -> None:
    """Raise `InputError` unless `trace` is a `Trace`. `function` is the function that needs it."""
    if isinstance(trace, Trace):
        return
    if isinstance(trace, (list, tuple)) and trace and all(isinstance(one, Trace) for one in trace):
        todo = f"Call it for each trace: `[analysis.{function}(trace, …) for trace in traces]`."
    elif isinstance(trace, str) or hasattr(trace, "hf_model"):
        todo = "Trace a text first: `trace = model.trace(text)`."
    else:
        todo = "Make one with `model.trace(text)`, or from attention weights with `Trace.from_attention`."
    raise InputError(f"`analysis.{function}` needs a Trace; got {_kind(trace)}. {todo}")


def check_record(record: Any, projection: Any, function: str) -> None:
    """Raise `InputError` unless these are a layer's record with q, k and v, and the module that is its output projection."""
    if not isinstance(record, QKRecord) or not isinstance(projection, nn.Module):
        raise InputError(
            f"`analysis.{function}` needs the record of a layer, `trace.layer_record(layer)`, with queries and keys, and the "
            f"module that is the layer's output projection; got {_kind(record)} and {_kind(projection)}. For one head, use "
            "`analysis.value_weighted(trace, layer, head)` or `trace.head_output(layer, head)`."
        )


def _kind(value: Any) -> str:
    if isinstance(value, (list, tuple)) and value:
        return f"a {type(value).__name__} of {len(value)}"
    return "None" if value is None else type(value).__name__
