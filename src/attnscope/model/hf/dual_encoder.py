"""Models that compare an image with a text (CLIP, SigLIP): two towers, each of which runs on one kind of input."""

from __future__ import annotations

from torch import nn

PIXELS = "pixel_values"
TEXT = "input_ids"


def towers_of(model: nn.Module) -> dict[str, nn.Module]:
    """The towers of a contrastive model by their main input (`pixel_values`, `input_ids`); empty for any other model.

    Such a model has a learned scale (`logit_scale`) next to an image tower and a text tower, and runs as a whole only with both
    inputs.
    """
    if not any(name.rsplit(".", 1)[-1] == "logit_scale" for name, _ in model.named_parameters(recurse=False)):
        return {}
    found: dict[str, nn.Module] = {}
    for child in model.children():
        name = getattr(child, "main_input_name", None)
        if name in (PIXELS, TEXT) and hasattr(child, "config"):
            found.setdefault(str(name), child)
    return found if found.keys() == {PIXELS, TEXT} else {}
