"""The attention that transformers' `generate` returns: one tuple of layers per step, joined here into one matrix per layer.

The first step reads the prompt, [batch, heads, n, n]. Each later step reads the token that the step before it chose, and its
single row attends to everything up to itself, [batch, heads, 1, n + 1], [batch, heads, 1, n + 2], … The last token that was
chosen is never read, so it has no row. In cross-attention, every step has the same keys.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from attnscope.errors import InputError


def is_stepwise(value: Any) -> bool:
    """Whether `value` is a sequence of steps, each a sequence of layers with an array (or None) per layer."""
    if not isinstance(value, (list, tuple)) or not value:
        return False
    arrays = [layer for step in value if isinstance(step, (list, tuple)) for layer in step if layer is not None]
    steps = all(isinstance(step, (list, tuple)) for step in value)
    return steps and bool(arrays) and all(getattr(one, "ndim", 0) == 4 for one in arrays)


def joined_steps(name: str, value: Any, tokens: int, *, cross: bool = False) -> tuple[Any, int]:
    """Layers [1, heads, queries, keys] in place of steps, and how many of the `tokens` have a row.

    Other values are returned as they are. `tokens` may count the last generated token, which has no row. Raises `InputError` if
    the steps don't continue each other: a batch, beams, or a cache that holds fewer or more keys than there are tokens.
    """
    if not is_stepwise(value):
        return value, tokens
    layers = {len(step) for step in value}
    if len(layers) != 1:
        raise InputError(f"The steps of `{name}` have different numbers of layers: {sorted(layers)}. {_INSTEAD}")
    joined = [_joined(name, index, list(parts), cross=cross) for index, parts in enumerate(zip(*value, strict=True))]
    rows = next(one.shape[2] for one in joined if one is not None)
    return joined, rows if tokens == rows + 1 else tokens


_INSTEAD = "To trace a generated text exactly, call `attnscope.Model(model, tokenizer).generate`."


def _joined(name: str, layer: int, parts: list[Any], *, cross: bool) -> Tensor | None:
    if all(part is None for part in parts):
        return None
    if any(part is None for part in parts):
        raise InputError(f"Layer {layer} of `{name}` has attention in some steps only. {_INSTEAD}")
    tensors = [part.detach() if isinstance(part, Tensor) else torch.as_tensor(np.asarray(part)) for part in parts]
    if tensors[0].shape[0] != 1:
        raise InputError(
            f"`{name}` holds the attention of {tensors[0].shape[0]} sequences, but a trace holds one. Without beam search, "
            f"select sequence i with `[[layer[i : i + 1] for layer in step] for step in {name}]`. {_INSTEAD}"
        )
    rows, keys = [part.shape[2] for part in tensors], [part.shape[3] for part in tensors]
    ends = [sum(rows[: step + 1]) for step in range(len(rows))]
    expected = [keys[0]] * len(keys) if cross else ends
    for step, part in enumerate(tensors):
        if part.shape[:2] != tensors[0].shape[:2] or keys[step] != expected[step]:
            wanted = [*tensors[0].shape[:2], rows[step], expected[step]]
            raise InputError(
                f"The steps of `{name}` cannot be joined: in step {step}, layer {layer} has shape {list(part.shape)}; expected "
                f"{wanted}, so the cache doesn't hold exactly the tokens so far. {_INSTEAD}"
            )
    whole = torch.zeros(*tensors[0].shape[:2], ends[-1], keys[-1], dtype=tensors[0].dtype, device=tensors[0].device)
    for part, start, end in zip(tensors, [0, *ends[:-1]], ends, strict=True):
        whole[:, :, start:end, : part.shape[3]] = part
    return whole
