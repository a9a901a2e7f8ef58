"""Models that compare an image with a text (CLIP, SigLIP): two towers, each of which runs alone for its own kind of input."""

from __future__ import annotations

from torch import nn

PICTURES = "pixel_values"
TEXT = "input_ids"


def towers_of(model: nn.Module) -> dict[str, nn.Module]:
    """The towers of a contrastive model by their main input (`pixel_values`, `input_ids`); nothing for any other model.

    Such a model has a learned scale between a tower that reads images and one that reads text, and does not run without both.
    """
    if not any(name.rsplit(".", 1)[-1] == "logit_scale" for name, _ in model.named_parameters(recurse=False)):
        return {}
    found: dict[str, nn.Module] = {}
    for child in model.children():
        name = getattr(child, "main_input_name", None)
        if name in (PICTURES, TEXT) and hasattr(child, "config"):
            found.setdefault(str(name), child)
    return found if found.keys() == {PICTURES, TEXT} else {}
