"""Gated attention: a factor between the head outputs and the output projection (Qwen3-Next, Qwen 3.5, AFMoE).

The projection reads o_i ⊙ g_i, with a gate g_i that the model computes from the hidden state. The quotient of the projection's
input and the attention output looks like a gate even if there is a norm or another mixture of the heads in between. The test is
therefore to change one head's output: a real gate stays the same, anything else changes.
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
    """The places whose head outputs are multiplied by a gate. `calls` come from an unedited pass on `inputs`.

    Layers of the same class behave alike, so only the first and last layer of each class are tested.
    """
    kinds: dict[type[nn.Module], list[Place]] = {}
    for place, call in calls.items():
        if call.gate is not None:
            kinds.setdefault(type(call.module), []).append(place)
    tolerance = tolerance_for(model)
    return {
        place
        for alike in kinds.values()
        if all(_is_gate(model, inputs, places, one, calls[one], tolerance) for one in {alike[0], alike[-1]})
        for place in alike
    }


def _is_gate(
    model: nn.Module, inputs: Mapping[str, Tensor], places: Places, place: Place, before: Capture, tolerance: float
) -> bool:
    """Whether the apparent gate of a layer stays the same when the output of its first head is doubled."""
    doubled = Plan((), {(place.stack, place.layer): LayerPlan((), (), (Scaled(None, 0, 2.0),), ())})
    calls = capture(model, inputs, places=places, plan=doubled).calls
    after = next((call.gate for call in calls if call.place == place), None)
    gate = before.gate
    if gate is None or after is None or after.shape != gate.shape:
        return False
    return float((after.float() - gate.float()).abs().max()) <= tolerance * max(1.0, float(gate.abs().max()))
