"""How many tokens a model can read, from its config and its tables (never from the tokenizer, which often does not know)."""

from __future__ import annotations

from typing import Any

from torch import nn

from attnscope.errors import TooLongError
from attnscope.model.hf.module_info import is_encoder_decoder

_NAMES = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_target_positions")
_SOURCE = ("max_encoder_position_embeddings", "max_source_positions")
_TARGET = ("max_decoder_position_embeddings", "max_target_positions")


def position_limit(model: nn.Module) -> tuple[int | None, bool]:
    """(number of positions, whether more are impossible).

    A table of learned positions ends; a rotary embedding goes on, only further than the model was trained for.
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
    """`position_limit` of each side: `text`, or `source` and `target`."""
    if not is_encoder_decoder(model):
        return {"text": position_limit(model)}
    return {"source": _limit_of(model, "get_encoder", _SOURCE), "target": _limit_of(model, "get_decoder", _TARGET)}


def _limit_of(model: nn.Module, part: str, names: tuple[str, ...]) -> tuple[int | None, bool]:
    """The limit of an encoder or a decoder, which some configs name apart."""
    found: Any = getattr(model, part, lambda: None)()
    half = found if isinstance(found, nn.Module) else model
    own = (getattr(getattr(half, "config", None), name, None) for name in names)
    named = next((value for value in own if isinstance(value, int) and value > 0), None)
    return position_limit(half) if named is None else (named, True)


def check_length(tokens: int, limit: int | None, *, hard: bool, what: str = "text") -> list[str]:
    """Raise `TooLongError` where the model has no positions for so many tokens; a warning where it was not trained for them."""
    if limit is None or tokens <= limit:
        return []
    if hard:
        error = TooLongError(
            f"The {what} has {tokens:,} tokens and this model has positions for {limit:,}. "
            f"Shorten it by {tokens - limit:,} token{'s' if tokens - limit > 1 else ''}.",
            fits=limit,
        )
        if what != "target":  # for who calls from Python; the page has a button for it
            error.add_note(f"To have it cut, pass `max_tokens={limit}`.")
        raise error
    return [
        f"The {what} has {tokens:,} tokens; this model was made for at most {limit:,}, so attention beyond may mean little."
    ]
