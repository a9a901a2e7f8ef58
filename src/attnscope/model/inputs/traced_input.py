"""The input of a trace, as model inputs that a model can run on again."""

from __future__ import annotations

from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.trace import Trace


def traced_input(trace: Trace) -> ModelInputs:
    """The model inputs of a trace, with its tokens (patches with their boxes included), images and warnings."""
    sides, provenance = trace.sides, trace.provenance
    messages = provenance.get("messages")
    across = "target" in sides
    first = next(iter(sides)) if across or "text" not in sides else "text"
    return ModelInputs(
        dict(trace.inputs),
        list(sides[first]),
        list(trace.warnings),
        text=provenance.get("text"),
        pair=provenance.get("pair"),
        messages=messages,
        target=provenance.get("target"),
        target_tokens=list(sides["target"]) if across else None,
        images=list(trace.images),
        image_tokens=list(sides["image"]) if "image" in sides and first == "text" else None,
        kind="chat" if messages else "text",
        continue_final_message=provenance.get("continue_final_message") is True,
        generated=provenance.get("generated"),
    )
