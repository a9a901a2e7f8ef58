"""Draws the next token with random numbers of its own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from attnscope.model.generation.sampling import Sampling


class Drawing(LogitsProcessor):
    """Leaves one token possible, drawn as `sampling` says. It has random numbers of its own: the global ones stay as they are."""

    def __init__(self, sampling: Sampling) -> None:
        warpers: list[Any] = [TemperatureLogitsWarper(sampling.temperature)]
        if sampling.top_k is not None:
            warpers.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p is not None and sampling.top_p < 1:
            warpers.append(TopPLogitsWarper(sampling.top_p))
        self._warpers = warpers
        self._numbers = torch.Generator().manual_seed(sampling.seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores [batch, vocab] with all but the drawn token at -inf."""
        warped: Tensor = scores
        for warper in self._warpers:
            warped = warper(input_ids, warped)
        drawn = torch.multinomial(torch.softmax(warped.float().cpu(), dim=-1), 1, generator=self._numbers)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn.to(scores.device), 0.0)
