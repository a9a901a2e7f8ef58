"""How many tokens a model can read, from its config and its position tables, not from its tokenizer (often wrong there)."""

from __future__ import annotations

from typing import Any

from torch import nn

from attnscope.errors import TooLongError
from attnscope.model.hf.module_info import is_encoder_decoder

_NAMES = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_target_positions")
_SOURCE = ("max_encoder_position_embeddings", "max_source_positions")
_TARGET = ("max_decoder_position_embeddings", "max_target_positions")


def position_limit(model: nn.Module) -> tuple[int | None, bool]:
    """The number of positions, and whether that limit is hard.

    A table of learned positions has a hard end. Rotary embeddings also work for more positions than the model was designed for.
    The number is None if the model does not state it.
    """
    config: Any = getattr(model, "config", None)
    if config is None:
        return None, False
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    limit = next((value for name in _NAMES if isinstance(value := getattr(text, name, None), int) and value > 0), None)
    for name, module in model.named_modules():
        last = name.rsplit(".", 1)[-1]
        if isinstance(module, nn.Embedding) and ("position" in last or last == "wpe") and "relative" not in name:
            padding = module.padding_idx
            rows = module.num_embeddings - (padding + 1 if padding is not None else getattr(module, "offset", 0))
            if limit is not None and limit - 8 <= rows <= limit:
                return rows, True
    computed = (table for name, table in model.named_buffers() if name.rsplit(".", 1)[-1] == "pos_encoding")  # CTRL
    return limit, any(table.shape[0] == limit for table in computed)


def side_limits(model: nn.Module) -> dict[str, tuple[int | None, bool]]:
    """`position_limit` for each side: `text`, or `source` and `target`."""
    if not is_encoder_decoder(model):
        return {"text": position_limit(model)}
    return {"source": _limit_of(model, "get_encoder", _SOURCE), "target": _limit_of(model, "get_decoder", _TARGET)}


def _limit_of(model: nn.Module, part: str, names: tuple[str, ...]) -> tuple[int | None, bool]:
    """The limit of an encoder or a decoder, which some configs state separately."""
    found: Any = getattr(model, part, lambda: None)()
    half = found if isinstance(found, nn.Module) else model
    values = (getattr(getattr(half, "config", None), name, None) for name in names)
    limit = next((value for value in values if isinstance(value, int) and value > 0), None)
    return position_limit(half) if limit is None else (limit, True)


def check_length(tokens: int, limit: int | None, *, hard: bool, what: str = "text") -> list[str]:
    """Raise `TooLongError` if the model has too few positions; return a warning if it was designed for fewer tokens."""
    if limit is None or tokens <= limit:
        return []
    if hard:
        error = TooLongError(
            f"The {what} has {tokens:,} tokens, but this model accepts at most {limit:,}. Shorten it by "
            f"{tokens - limit:,} token{'s' if tokens - limit > 1 else ''}.",
            fits=limit,
        )
        if what != "target":  # for callers from Python; the page has a button for this
            error.add_note(f"To cut it automatically, pass `max_tokens={limit}`.")
        raise error
    return [
        (
            f"The {what} has {tokens:,} tokens, but this model was designed for at most {limit:,}. Attention at "
            "later positions may not be meaningful."
        )
    ]
