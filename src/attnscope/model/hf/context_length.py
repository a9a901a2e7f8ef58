"""How many tokens a model can read, from its config and its position tables, not from its tokenizer (often wrong there)."""

from __future__ import annotations

from typing import Any

from torch import nn

from attnscope.errors import TooLongError
from attnscope.model.hf.module_info import is_encoder_decoder

_NAMES = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_target_positions")
_SOURCE = ("max_encoder_position_embeddings", "max_source_positions")
_TARGET = ("max_decoder_position_embeddings", "max_target_positions")


MOST_TIMES = 4
"""How many times the tokens that a model was designed for are accepted, where more positions can be computed."""

CHARACTERS_PER_TOKEN = 64
"""The most characters of a text for each of those tokens: many more than any text has."""


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
    """Raise `TooLongError` for more tokens than the model accepts; return a warning if it was designed for fewer tokens."""
    if limit is None or tokens <= limit:
        return []
    if hard or tokens > MOST_TIMES * limit:
        most = limit if hard else MOST_TIMES * limit
        error = TooLongError(
            f"The {what} has {tokens:,} tokens, but this model accepts at most {most:,}"
            f"{'' if hard else f', {MOST_TIMES} times what it was designed for'}. Shorten it by "
            f"{tokens - most:,} token{'s' if tokens - most > 1 else ''}.",
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


def check_size(characters: int, limit: int | None) -> None:
    """Raise `TooLongError` for a text that is too long by far, before it is tokenized, which could take minutes."""
    most = CHARACTERS_PER_TOKEN * limit if limit is not None else characters
    if characters > most:
        raise TooLongError(
            f"The text has {characters:,} characters, but this model was designed for at most {limit:,} tokens, so at most "
            f"{most:,} characters are accepted. Shorten it.",
            fits=limit,
        )
