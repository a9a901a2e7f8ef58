"""Ready inputs that are not tokens: audio (Whisper, wav2vec 2.0), rows of patches, hidden states, time series.

Only the model knows how many positions it makes of them, so their tokens ("position 3") are counted in the pass.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor

from attnscope.model.inputs.model_inputs import ModelInputs, as_tensor
from attnscope.trace.stack import TracedStack
from attnscope.types import Token

_FEATURES = frozenset(
    {"input_features", "input_values", "hidden_states", "pixel_values_videos", "past_values", "flattened_patches"}
)


def has_features(ready: Mapping[str, Any]) -> bool:
    """Whether ready inputs contain numbers in place of token ids."""
    return bool(_FEATURES & ready.keys()) and "input_ids" not in ready and "pixel_values" not in ready


def encode_features(ready: Mapping[str, Any]) -> ModelInputs:
    """Encode ready inputs without token ids (a batch of one). Their tokens follow after the pass (`with_positions`)."""
    inputs: dict[str, Tensor] = {}
    for name, value in ready.items():
        if value is None:
            continue
        inputs[str(name)] = as_tensor(name, value)
    return ModelInputs(inputs, [], [], ready=True)


def with_positions(encoded: ModelInputs, stacks: Mapping[str, TracedStack]) -> ModelInputs:
    """Add a token for each position to the sides that have no tokens yet, counted in the pass."""
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
