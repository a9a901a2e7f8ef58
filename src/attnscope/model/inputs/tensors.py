"""Ready inputs: token ids, or a mapping of arguments of the model's forward method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import index
from typing import Any

import torch
from torch import Tensor

from attnscope.capture import CACHES
from attnscope.errors import InputError
from attnscope.model.inputs.model_inputs import ModelInputs, as_tensor, cut_note, require_tokens
from attnscope.model.inputs.sentences import check_start, start_by_types, with_sentences
from attnscope.model.inputs.tokens import Reader
from attnscope.types import Token

_PASS_OPTIONS = frozenset(
    {
        "labels", "use_cache", "cache_position", "logits_to_keep", "num_items_in_batch",
        "output_attentions", "output_hidden_states", "return_dict",
    }
)  # fmt: skip
"""Arguments of a pass that are no inputs; a trace sets its own. `use_cache` matters only for packed sequences."""

_INSTEAD_OF_TOKENS = frozenset({"inputs_embeds", *CACHES, "encoder_hidden_states", "encoder_outputs"})

_FOR_EVERY_TOKEN = frozenset({"attention_mask", "token_type_ids", "position_ids"})


def encode_ids(
    read: Reader, values: Sequence[int], *, max_tokens: int | None = None, sentence_b_start: int | None = None
) -> ModelInputs:
    """Encode token ids unchanged, including NumPy integers. Raises `TypeError` for anything but a list of whole numbers."""
    ids = [index(one) for one in values]
    if not all(abs(one) < 2**63 for one in ids) or any(isinstance(one, bool) for one in values):
        raise TypeError("not a list of token ids")
    ready = {"input_ids": torch.tensor([ids], dtype=torch.long)}
    return encode_ready(read, ready, max_tokens=max_tokens, sentence_b_start=sentence_b_start)


def encode_ready(
    read: Reader, ready: Mapping[str, Any], *, max_tokens: int | None = None, sentence_b_start: int | None = None
) -> ModelInputs:
    """Encode ready inputs (a batch of one), without arguments that only control how the pass runs.

    Positions that an attention mask excludes are padding and are shown as special tokens. The second sentence begins at
    `sentence_b_start`, by default where the `token_type_ids` say.
    """
    named = {str(name): value for name, value in ready.items() if value is not None and str(name) not in _PASS_OPTIONS}
    unusable = sorted(_INSTEAD_OF_TOKENS & named.keys())
    if "input_ids" not in named:
        raise InputError(_missing_ids(named))
    if unusable:
        raise InputError(f"A trace starts from token ids only. Omit {', '.join(unusable)}.")
    inputs = {name: _as_batch(name, value) for name, value in named.items()}
    ids = inputs["input_ids"]
    if ids.ndim != 2 or ids.is_floating_point() or ids.is_complex() or ids.dtype == torch.bool:
        raise InputError(f"`input_ids` must be whole numbers [1, tokens]; got {ids.dtype} of shape {tuple(ids.shape)}.")
    for name in _FOR_EVERY_TOKEN & inputs.keys():
        shape = tuple(inputs[name].shape)
        if shape[-1:] != ids.shape[-1:] or (len(shape) == 4 and shape[-2] not in (1, ids.shape[-1])):
            raise InputError(f"`{name}` has shape {shape}, which does not match the {ids.shape[-1]} tokens.")
    before, warnings = ids.shape[1], list[str]()
    if max_tokens is not None and before > max_tokens:
        if len(inputs.keys() - _FOR_EVERY_TOKEN) > 1 or any(one.ndim != 2 for one in inputs.values()):
            raise InputError("Ready inputs with more than one value per token cannot be cut. Omit `max_tokens`.")
        inputs = {name: value[:, :max_tokens] for name, value in inputs.items()}
        warnings.append(cut_note(before, max_tokens))
    listed: list[int] = inputs["input_ids"][0].tolist()
    require_tokens(listed)
    tokens = read.all(listed)
    padding = padding_of(inputs)
    tokens = with_padding(tokens, padding)
    start = (
        start_by_types(inputs.get("token_type_ids"), padding)
        if sentence_b_start is None
        else check_start(sentence_b_start, before)
    )
    tokens = tokens if start is None else with_sentences(tokens, padding, start)
    return ModelInputs(inputs, tokens, warnings, ready=True, use_cache=_use_cache(ready))


def _use_cache(ready: Mapping[str, Any]) -> bool | None:
    value = ready.get("use_cache")
    return None if value is None else bool(value)


def _missing_ids(named: Mapping[str, Any]) -> str:
    """The error message for ready inputs without `input_ids`."""
    if "inputs_embeds" in named:
        return (
            "A trace shows the tokens that attention attends to, so it needs `input_ids`; `inputs_embeds` do not "
            "contain them."
        )
    return f"Ready inputs need `input_ids`; got {', '.join(sorted(named)) or 'nothing'}."


def with_padding(tokens: Sequence[Token], padding: Sequence[bool]) -> list[Token]:
    """The tokens, marked as padding where they are."""
    marked = zip(tokens, padding, strict=True)
    return [replace(token, special=True, padding=True) if pad else token for token, pad in marked]


def padding_of(inputs: Mapping[str, Tensor]) -> list[bool]:
    """Which positions of ready inputs are padding: those where their attention mask [1, tokens] is 0."""
    mask = inputs.get("attention_mask")
    count = inputs["input_ids"].shape[1]
    return [False] * count if mask is None or mask.ndim != 2 else (mask[0] == 0).tolist()


def rows_of(ready: Mapping[str, Any]) -> list[dict[str, Any]] | None:
    """Split a batch of ready inputs into its rows; None if there is only one."""
    ids = ready.get("input_ids")
    count = _rows(ids)
    if count < 2:
        return None
    tensors = {
        str(name): as_tensor(name, value)
        for name, value in ready.items()
        if value is not None and str(name) not in _PASS_OPTIONS and str(name) not in _INSTEAD_OF_TOKENS
    }
    for name, value in tensors.items():
        if value.ndim and value.shape[0] not in (1, count):
            raise InputError(f"`{name}` has {value.shape[0]} rows, but `input_ids` has {count}. They must match.")
    others = {name: value for name, value in ready.items() if str(name) in {*_INSTEAD_OF_TOKENS, "use_cache"}}
    return [
        {
            **{
                name: value[i : i + 1] if value.ndim and value.shape[0] == count else value
                for name, value in tensors.items()
            },
            **others,
        }
        for i in range(count)
    ]


def _rows(ids: Any) -> int:
    """The number of rows of `input_ids`; 1 for anything but a matrix of numbers, which raises an error later."""
    try:
        tensor = torch.as_tensor(ids)
    except (TypeError, ValueError, RuntimeError):
        return 1
    return tensor.shape[0] if tensor.ndim == 2 else 1


def _as_batch(name: object, value: Any) -> Tensor:
    tensor = as_tensor(name, value)
    if tensor.ndim == 1:
        tensor = tensor[None]
    if tensor.ndim and tensor.shape[0] != 1:
        raise InputError(
            f"A trace covers one input, but `{name}` is a batch of {tensor.shape[0]}. Pass one row, or pass all "
            "of them in a mapping to `trace`."
        )
    return tensor
