"""Locate the residual stream of a model with one pass on a few tokens that watches every module. Runs once per kind of input."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from attnscope.capture import Place, Recorder, capture_on, prepared_for_capture
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.probe import Architecture
from attnscope.model.hf.module_info import target_vocabulary_size, tolerance_for
from attnscope.model.residual_stream.blocks import AttentionCall, ModuleWatch, find_blocks
from attnscope.model.residual_stream.stream import Stream, find_unembedding, last_tower
from attnscope.model.tracing.certify import placed, shown


def _projection(architecture: Architecture, place: Place) -> str | None:
    paths = architecture.stacks[place.stack].projections
    return paths[place.layer] if place.layer < len(paths) else None


def locate_stream(module: nn.Module, architecture: Architecture, inputs: Mapping[str, Tensor]) -> Stream:
    """The blocks of a model and what follows them. Raises `UnsupportedError` if its residual stream is unknown."""
    name = type(module).__name__
    if architecture.route == "reported" or architecture.outside:
        raise UnsupportedError(
            f"{name} does not use transformers' attention interface, so its blocks and residual stream are unknown."
        )
    tolerance = tolerance_for(module) / 10
    with prepared_for_capture(module) as clone:
        watch = ModuleWatch(clone)
        try:
            captured = capture_on(clone, inputs, Recorder(places=architecture.places))
        finally:
            watch.close()
        places = [
            AttentionCall(
                call.name,
                placed(call).stack,
                placed(call).layer,
                _projection(architecture, placed(call)),
            )
            for call in shown(captured.calls)
        ]
        towers = find_blocks(clone, watch.calls, places, tolerance)
        last = towers[last_tower(towers)][-1]
        logits: Any = getattr(captured.output, "logits", None)
        if (
            not isinstance(logits, Tensor)
            or logits.ndim != 3
            or logits.shape[-1] < (target_vocabulary_size(module) or 0)
        ):
            note = f"{name} predicts no tokens, so it has no logits, no logit lens and no direct logit attribution."
            return Stream(towers, logits=False, unembedding=None, note=note)
        with torch.no_grad():
            found = find_unembedding(clone, watch.calls, last, logits, 10 * tolerance)
    if isinstance(found, str):
        return Stream(towers, logits=True, unembedding=None, note=found)
    return Stream(towers, logits=True, unembedding=found, note=None)
