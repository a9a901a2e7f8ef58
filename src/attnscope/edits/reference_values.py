"""Read the values that edits take from references: outputs and weights of the same head in other forward passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.attention import LayerRecord, QKRecord
from attnscope.edits.edit import Edit
from attnscope.edits.kinds import PatchHead
from attnscope.edits.reference import TraceRef
from attnscope.errors import InputError, MissingError, UnsupportedError
from attnscope.trace import Trace

WeightRows = Callable[[Tensor], Tensor]
"""Returns attention weights [row, key], float32, for query positions."""


def outputs_of(edit: Edit, head: int, stack: str, reference: Any, v_dim: int) -> Float[Tensor, "sample v_dim"]:
    """The head's outputs (before W_O) in a reference, one row per query, float32. Raises `InputError` if they do not fit."""
    if isinstance(reference, (Trace, TraceRef)):
        reference = (reference,)
    if isinstance(reference[0], (Trace, TraceRef)):
        found = torch.cat([_output(edit, head, stack, trace) for trace in reference])
    else:
        found = torch.tensor(reference, dtype=torch.float32)
    if found.shape[1] != v_dim or not len(found):
        raise InputError(
            f"{edit.kind} needs outputs of {v_dim} numbers for {edit.place}, but the reference has shape {tuple(found.shape)} "
            "(samples, numbers)."
        )
    return found


def weights_of(edit: PatchHead, stack: str) -> tuple[WeightRows, tuple[int, int]]:
    """A function that returns rows of the source's attention weights, and the source's numbers of (queries, keys)."""
    source = edit.source
    if not isinstance(source, (Trace, TraceRef)):
        rows = torch.tensor(source, dtype=torch.float32)
        if bool((rows < 0).any()) or bool((rows.sum(-1) > 1 + 1e-3).any()):
            raise InputError(
                "`source` of PatchHead does not hold attention weights: they must not be negative, and each row must sum to at "
                "most 1."
            )
        return lambda at: rows[at], (rows.shape[0], rows.shape[1])
    record = _record(edit, edit.head, stack, source)
    head = torch.tensor([edit.head])
    return lambda at: record.attention(head, at)[0], (record.queries, record.keys)


def _output(edit: Edit, head: int, stack: str, trace: Trace | TraceRef) -> Tensor:
    record = _record(edit, head, stack, trace)
    if not isinstance(record, QKRecord):
        raise UnsupportedError(
            f"The reference of {edit.kind} has only attention weights for {edit.place}, not its output."
        )
    return record.output(torch.tensor([head]), torch.arange(record.queries))[0]


def _record(edit: Edit, head: int, stack: str, trace: Trace | TraceRef) -> LayerRecord:
    if isinstance(trace, TraceRef):
        raise MissingError(
            f"An edit refers to trace {trace.id[:64]!r:.300}, which was not found. Read the edits with `from_json(…, traces=…)`."
        )
    if stack not in trace.stacks:
        raise InputError(
            f"The trace that {edit.kind} refers to has no stack {stack!r:.300}; it has {', '.join(map(repr, trace.stacks))}."
        )
    record = trace.layer_record(edit.layer, stack)
    if head >= record.shape.heads:
        raise InputError(
            f"The trace that {edit.kind} refers to has no head {head} in layer {edit.layer}: it has heads 0 to "
            f"{record.shape.heads - 1}."
        )
    return record
