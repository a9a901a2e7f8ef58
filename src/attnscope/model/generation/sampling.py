"""Sampling settings, and the logits processor that draws tokens."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from attnscope.errors import InputError
from attnscope.validation import is_number, is_whole

_MIN_TEMPERATURE = 1e-4
"""A lower temperature would draw the same tokens, and dividing logits by it could overflow."""


@dataclass(frozen=True)
class Sampling:
    """Draw tokens with probabilities softmax(logits / temperature).

    Only the `top_k` most probable tokens are candidates, and of them the smallest set whose probabilities sum to at least
    `top_p`. The same seed gives the same tokens.
    """

    temperature: float
    top_k: int | None
    top_p: float | None
    seed: int

    @classmethod
    def of(cls, temperature: float | None, top_k: int | None, top_p: float | None, seed: int | None) -> Sampling | None:
        """Validate the settings; None means greedy decoding, if all settings are None or the temperature is 0.

        Raises `InputError` for a setting out of range. Without a seed, a random one is chosen, which the generation's trace
        records.
        """
        if temperature is not None and not (is_number(temperature) and 0 <= temperature < float("inf")):
            raise InputError(
                f"`temperature` must be a finite number of at least 0 (0 for greedy decoding); got {temperature!r:.80}."
            )
        if top_k is not None and not (is_whole(top_k) and top_k >= 1):
            raise InputError(f"`top_k` must be a whole number of at least 1; got {top_k!r:.80}.")
        if top_p is not None and not (is_number(top_p) and 0 < top_p <= 1):
            raise InputError(f"`top_p` must be a number above 0 and at most 1; got {top_p!r:.80}.")
        if seed is not None and not (is_whole(seed) and 0 <= seed < 2**63):
            raise InputError(f"`seed` must be a whole number from 0 to 2⁶³ − 1; got {seed!r:.80}.")
        if temperature == 0 or all(one is None for one in (temperature, top_k, top_p, seed)):
            return None
        return cls(
            temperature=1.0 if temperature is None else max(float(temperature), _MIN_TEMPERATURE),
            top_k=None if top_k is None else int(top_k),
            top_p=None if top_p is None else float(top_p),
            seed=secrets.randbelow(2**31) if seed is None else int(seed),
        )


class SamplingProcessor(LogitsProcessor):
    """A logits processor that leaves only one token possible, drawn as `sampling` specifies.

    It uses its own random number generator, so PyTorch's global one does not change.
    """

    def __init__(self, sampling: Sampling) -> None:
        warpers: list[Any] = [TemperatureLogitsWarper(sampling.temperature)]
        if sampling.top_k is not None:
            warpers.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p is not None and sampling.top_p < 1:
            warpers.append(TopPLogitsWarper(sampling.top_p))
        self._warpers = warpers
        self._numbers = torch.Generator().manual_seed(sampling.seed)

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        """The scores [batch, vocab], with all but the drawn token set to -inf."""
        warped: Tensor = scores
        for warper in self._warpers:
            warped = warper(input_ids, warped)
        drawn = torch.multinomial(torch.softmax(warped.float().cpu(), dim=-1), 1, generator=self._numbers)
        return torch.full_like(scores, -torch.inf).scatter_(1, drawn.to(scores.device), 0.0)
