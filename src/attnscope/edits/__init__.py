"""Edits: interventions on a model's computation in one pass, as values that you can compare, write as JSON and read back.

    from attnscope import edits
    model.trace(text, edits=[edits.ScaleHead(5, 3, 0.0), edits.CutEdge(6, 1, query="She", key="nurse")])

Layers and heads count from 0. Every edit takes `stack=`, which you can omit where the model has only one attention stack.
"""

from attnscope.edits.edit import Edit
from attnscope.edits.kinds import (
    AddVector,
    CutEdge,
    MeanHead,
    PatchHead,
    ResampleHead,
    ScaleHead,
    ScaleNeuron,
    SetAttention,
)
from attnscope.edits.reference import TraceRef
from attnscope.edits.serialization import from_json, to_json

__all__ = [
    "AddVector",
    "CutEdge",
    "Edit",
    "MeanHead",
    "PatchHead",
    "ResampleHead",
    "ScaleHead",
    "ScaleNeuron",
    "SetAttention",
    "TraceRef",
    "from_json",
    "to_json",
]
