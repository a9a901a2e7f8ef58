"""Edits: what is changed of a model's computation in a pass, as values that can be compared, written and read.

    from attnscope import edits
    model.trace(text, edits=[edits.ScaleHead(5, 3, 0.0), edits.CutEdge(6, 1, query=7, key=2)])

Every edit takes `stack=None`; it may be left out where the model has only one.
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
from attnscope.edits.plan import Plan, Planned, plan
from attnscope.edits.reference import TraceRef
from attnscope.edits.serialization import edit_of, from_json, sentence_of, to_json, unresolved

__all__ = [
    "AddVector",
    "CutEdge",
    "Edit",
    "MeanHead",
    "PatchHead",
    "Plan",
    "Planned",
    "ResampleHead",
    "ScaleHead",
    "ScaleNeuron",
    "SetAttention",
    "TraceRef",
    "edit_of",
    "from_json",
    "plan",
    "sentence_of",
    "to_json",
    "unresolved",
]
