"""What part of a trace a file contains, and how exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from attnscope.attention import QKRecord
from attnscope.errors import InputError
from attnscope.offline.packing import BYTE_ERROR
from attnscope.trace import Trace
from attnscope.trace.positions import indices_of

Form = Literal["auto", "qk", "attention"]
FORMS: tuple[Form, ...] = ("auto", "qk", "attention")

ERRORS = ((1_000_000, 5e-5), (2_000_000, 5e-4))
"""Pairs of the number of q and k values in a file, at most, and the largest error of a weight: 4 and 3 correct decimals."""
LARGEST_ERROR = 3e-3
"""The largest error of a weight in larger files: 2 correct decimals."""


@dataclass(frozen=True)
class Choice:
    """What part of a trace to write, and how.

    Attributes:
        layers: The layers to write; None for all.
        form: Write q and k, or attention weights, or choose (see `document`).
        neurons: Whether the neuron view needs q and k.
        values: Whether to write value vectors and the norms computed with W_O.
        error: The largest error of weights computed from the q and k in the file.
        error_of_weights: The largest error of weights that are in the file themselves.
    """

    layers: frozenset[int] | None = None
    form: Form = "auto"
    neurons: bool = True
    values: bool = False
    error: float = LARGEST_ERROR
    error_of_weights: float = BYTE_ERROR

    def has(self, layer: int) -> bool:
        """Whether a layer is in the file."""
        return self.layers is None or layer in self.layers


def choice(
    trace: Trace,
    layers: Iterable[int] | None,
    form: str,
    error: float | None,
    *,
    neurons: bool,
    values: bool | None,
    baseline: Trace | None = None,
) -> Choice:
    """Choose what to write of this trace and its baseline: the same for both.

    Raises `InputError` for invalid layers, an invalid form or an invalid error.
    """
    if form not in FORMS:
        raise InputError(f"`form` must be one of {', '.join(map(repr, FORMS))}; got {form!r:.80}.")
    if error is not None and not 1e-7 <= error <= 0.1:
        raise InputError(f"`error`, the largest error of a weight, must be from 1e-7 to 0.1; got {error!r:.80}.")
    indices = None if layers is None else _layers(trace, layers)
    base = Choice(indices, form, neurons and form != "attention")
    numbers = max(_count_numbers(one, base) for one in (trace, baseline) if one is not None)
    fine = next((one for most, one in ERRORS if numbers <= most), None)
    small = numbers <= ERRORS[0][0] and form != "attention"
    return replace(
        base,
        error=error or fine or LARGEST_ERROR,
        error_of_weights=error or fine or BYTE_ERROR,
        values=small if values is None else values,
    )


def _count_numbers(trace: Trace, chosen: Choice) -> int:
    """The number of q and k values in the layers, counting attention weights where q and k are unknown."""
    numbers = 0
    for stack in trace.stacks:
        for index, record in enumerate(trace.traced_stack(stack).records):
            if record is None or not chosen.has(index):
                continue
            shape = record.shape
            vectors = (shape.heads * record.queries + shape.kv_heads * record.keys) * shape.qk_dim
            numbers += vectors if isinstance(record, QKRecord) else shape.heads * record.queries * record.keys
    return numbers


def _layers(trace: Trace, layers: Iterable[int]) -> frozenset[int]:
    chosen = indices_of(layers)
    count = max(stack.layers for stack in trace.stacks.values())
    if chosen is None:
        raise InputError(f"`layers` must be a list of layers, from 0 to {count - 1}; got {layers!r:.80}.")
    for layer in chosen:
        if not 0 <= layer < count:
            raise InputError(f"Layer {layer} does not exist: this trace has layers 0 to {count - 1}.")
    records = [trace.traced_stack(stack).records for stack in trace.stacks]
    if not any(record is not None for stack in records for index, record in enumerate(stack) if index in chosen):
        raise InputError("None of the chosen `layers` has attention, so there is nothing to export.")
    return frozenset(chosen)
