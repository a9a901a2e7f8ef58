"""How many tokens a model can read, from its config and its tables (never from the tokenizer, which often does not know)."""

from __future__ import annotations

from typing import Any

from torch import nn

from attnscope.errors import TooLongError

_NAMES = ("max_position_embeddings", "n_positions", "n_ctx", "max_sequence_length", "max_target_positions")


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
    return limit, False


def check_length(tokens: int, limit: int | None, *, hard: bool) -> list[str]:
    """Raise `TooLongError` where the model has no positions for so many tokens; a warning where it was not trained for them."""
    if limit is None or tokens <= limit:
        return []
    if hard:
        raise TooLongError(
            f"The text has {tokens:,} tokens and this model has positions for {limit:,}. "
            f"Shorten it by {tokens - limit:,} tokens.",
            fits=limit,
        )
    return [
        f"The text has {tokens:,} tokens; this model was made for at most {limit:,}, so attention beyond may mean little."
    ]
