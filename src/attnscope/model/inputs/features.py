"""Ready inputs that are no tokens: sound (Whisper, wav2vec 2.0), patches in rows, states, series.

How many positions a model makes of them only it knows, so their tokens ("position 3") come from the pass itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.inputs.model_inputs import ModelInputs
from attnscope.trace.stack import TracedStack
from attnscope.types import Token

_NUMBERS = frozenset(
    {"input_features", "input_values", "hidden_states", "pixel_values_videos", "past_values", "flattened_patches"}
)


def holds_numbers(given: Mapping[str, Any]) -> bool:
    """Whether ready inputs are numbers in the place of token ids."""
    return bool(_NUMBERS & given.keys()) and "input_ids" not in given and "pixel_values" not in given


def encode_numbers(given: Mapping[str, Any]) -> ModelInputs:
    """Ready inputs without token ids, a batch of one; their positions come with the pass (`with_positions`)."""
    inputs: dict[str, Tensor] = {}
    for name, value in given.items():
        if value is None:
            continue
        try:
            inputs[str(name)] = torch.as_tensor(value)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InputError(f"{name!r} is no array of numbers ({error}).") from error
    return ModelInputs(inputs, [], [], ready=True)


def with_positions(encoded: ModelInputs, stacks: Mapping[str, TracedStack]) -> ModelInputs:
    """A token for each position of the sides that have none yet, counted in the pass."""
    sizes: dict[str, int] = {}
    for stack in stacks.values():
        record = next((one for one in stack.records if one is not None), None)
        if record is not None:
            sizes |= {stack.query_side: record.queries, stack.key_side: record.keys}
    first = "source" if "source" in encoded.sides else "text"
    image = encoded.image_tokens
    return replace(
        encoded,
        tokens=encoded.tokens or _positions(sizes.get(first, 0)),
        image_tokens=image if image is None else image or _positions(sizes.get("image", 0)),
    )


def _positions(count: int) -> list[Token]:
    return [Token(f"position {i}", -1) for i in range(count)]
