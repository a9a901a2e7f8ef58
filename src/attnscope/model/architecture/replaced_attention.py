"""Explain attention that isn't captured because a forward method was replaced, by other libraries or by hand."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from attnscope.capture import Capture, replaced_forward
from attnscope.errors import UnsupportedError


def check_replaced_attention(model: nn.Module, calls: Sequence[Capture]) -> None:
    """Raise `UnsupportedError` if the replaced forward method of an attention module computed attention unseen."""
    computing = {type(call.module) for call in calls}
    called = {call.name for call in calls}
    for name, module in model.named_modules():
        function = replaced_forward(module) if type(module) in computing and name not in called else None
        if function is not None:
            raise UnsupportedError(_sentence(name, module, function))


def replaced_attention(model: nn.Module) -> str | None:
    """The sentence about the first module whose forward method was replaced; None if there is none."""
    replaced = ((name, module, replaced_forward(module)) for name, module in model.named_modules())
    found = [one for one in replaced if one[2] is not None]
    attention = [one for one in found if "attention" in type(one[1]).__name__.lower()]
    for name, module, function in [*attention, *found][:1]:
        return _sentence(name, module, str(function))
    return None


def _sentence(name: str, module: nn.Module, function: str) -> str:
    where = f"{name} ({type(module).__name__})" if name else type(module).__name__
    return (
        f"The forward method of {where} was replaced by {function}, which computes attention without transformers' attention "
        "interface, so attnscope cannot capture it. Load the model without this change."
    )
