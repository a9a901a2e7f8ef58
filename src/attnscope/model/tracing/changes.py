"""What can be changed in each stack of a trace, and why something cannot."""

from __future__ import annotations

from dataclasses import dataclass

from attnscope.attention import WeightsRecord
from attnscope.capture import NO_PREFIX_EDITS, no_single_weights, virtual_tokens
from attnscope.model.handle import ModelHandle
from attnscope.model.tracing.edit_plan import why_not_editable
from attnscope.trace import Trace

NO_PAIRS = (
    "No dimensions of q and k are known to rotate together (RoPE) in this stack, so there are no pairs to change."
)


@dataclass(frozen=True)
class Changes:
    """What can be changed in a stack: None if it can, else the sentence why it cannot.

    Attributes:
        head: The output of a head, such as by `ScaleHead`.
        line: The edge between a query and a key, by `CutEdge`.
        weight: An attention weight, by `SetAttention`.
        neuron: A dimension of q, k or v, by `ScaleNeuron`.
        pair: A rotary pair of dimensions of q and k, by `ScaleNeuron`.
    """

    head: str | None = None
    line: str | None = None
    weight: str | None = None
    neuron: str | None = None
    pair: str | None = None


def changes_of(handle: ModelHandle, trace: Trace) -> dict[str, Changes]:
    """Implement `Model.changes`."""
    tower = handle.tower_for(trace.inputs)
    probed = tower.probed_for(trace.inputs) if trace.inputs else tower.probed
    virtual = virtual_tokens(tower.module)
    why = why_not_editable(probed.architecture, tower.title)
    if why is None and virtual is not None and virtual.keys_only:
        why = NO_PREFIX_EDITS
    return {name: changes_in(trace, name, why, type(tower.module).__name__) for name in trace.stacks}


def changes_in(trace: Trace, stack: str, why: str | None, name: str) -> Changes:
    """What can be changed in one stack. `why`: why nothing can be, if so; `name`: what the sentences call the model."""
    if why is not None:
        return Changes(why, why, why, why, why)
    traced = trace.traced_stack(stack)
    records = [record for record in traced.records if record is not None]
    weights = None
    if records and all(isinstance(record, WeightsRecord) for record in records):
        weights = no_single_weights(name, "with its own formula")
    pair = None if any(traced.rotation(layer) for layer in range(len(traced.records))) else NO_PAIRS
    return Changes(line=weights, weight=weights, pair=pair)
