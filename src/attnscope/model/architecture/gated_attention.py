"""Gated attention: a factor between the heads' outputs and the output projection (Qwen3-Next, Qwen 3.5, AFMoE).

The projection reads o_i ⊙ g_i, with a gate g_i that the model computes from the hidden state. What is read, divided by what the
attention put out, looks like a gate behind a norm or another mixture of the heads as well. So a head's output is changed: a
gate is as it was then, anything else is not.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from attnscope.capture import Capture, Place, Places, capture
from attnscope.edits.plan import Plan
from attnscope.edits.stages import LayerPlan, Scaled
from attnscope.model.hf.module_info import tolerance_for


def gated_places(
    model: nn.Module, inputs: Mapping[str, Tensor], places: Places, calls: Mapping[Place, Capture]
) -> set[Place]:
    """Those of the places whose heads' outputs are multiplied by a gate. `calls` are of an unchanged pass over `inputs`.

    Layers of one class are alike: of each class the first and the last are looked at.
    """
    kinds: dict[type[nn.Module], list[Place]] = {}
    for place, call in calls.items():
        if call.gate is not None:
            kinds.setdefault(type(call.module), []).append(place)
    tolerance = tolerance_for(model)
    return {
        place
        for alike in kinds.values()
        if all(_stays(model, inputs, places, one, calls[one], tolerance) for one in {alike[0], alike[-1]})
        for place in alike
    }


def _stays(
    model: nn.Module, inputs: Mapping[str, Tensor], places: Places, place: Place, before: Capture, tolerance: float
) -> bool:
    """Whether what looks like the gate of a layer is the same once the output of its first head is twice as large."""
    twice = Plan((), {(place.stack, place.layer): LayerPlan((), (), (Scaled(None, 0, 2.0),), ())})
    calls = capture(model, inputs, places=places, plan=twice).calls
    after = next((call.gate for call in calls if call.place == place), None)
    gate = before.gate
    if gate is None or after is None or after.shape != gate.shape:
        return False
    return float((after.float() - gate.float()).abs().max()) <= tolerance * max(1.0, float(gate.abs().max()))
