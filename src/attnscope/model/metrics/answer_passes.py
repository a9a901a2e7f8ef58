"""The passes that a measurement needs: the prompt alone, or the prompt followed by all but the last token of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.errors import InputError
from attnscope.model.metrics.metric import LogScores, Measurement, log_scores

_REPEATED = ("token_type_ids", "attention_mask", "decoder_attention_mask")
"""Inputs of which an added token gets the value of the last one."""


@dataclass(frozen=True)
class ScoringPass:
    """One forward pass. Its logits at `positions` predict the tokens of the continuations in `scored` ("answer", "foil")."""

    inputs: Mapping[str, Tensor]
    positions: tuple[int, ...]
    added: int
    scored: Mapping[str, tuple[int, ...]]

    def scores(self, logits: Float[Tensor, "row position vocab"]) -> dict[str, LogScores]:
        """The scores of every continuation, from the logits at `positions` only."""
        return {name: log_scores(logits[:, : len(ids)], ids) for name, ids in self.scored.items()}


def scoring_passes(inputs: Mapping[str, Tensor], measurement: Measurement) -> tuple[ScoringPass, ...]:
    """The passes for a measurement on these inputs: one if a single continuation serves both answer and foil, else two.

    Raises `InputError` for an answer of several tokens that does not follow the last position of the text.
    """
    named = {"answer": measurement.answer} | ({} if measurement.foil is None else {"foil": measurement.foil})
    groups: dict[tuple[int, ...], dict[str, tuple[int, ...]]] = {}
    for name, one in sorted(named.items(), key=lambda item: -len(item[1].ids)):
        before = one.ids[:-1]
        longer = next((other for other in groups if other[: len(before)] == before), before)
        groups.setdefault(longer, {})[name] = one.ids
    return tuple(
        ScoringPass(
            extended(inputs, before, measurement.position),
            tuple(range(measurement.position, measurement.position + len(before) + 1)),
            len(before),
            scored,
        )
        for before, scored in groups.items()
    )


def value_of(
    measurement: Measurement, passes: Sequence[ScoringPass], logits: Sequence[Float[Tensor, "row position vocab"]]
) -> Float[Tensor, "row"]:
    """The metric of each row, from the logits of every pass at its positions."""
    found: dict[str, LogScores] = {}
    for one, its_logits in zip(passes, logits, strict=True):
        found |= one.scores(its_logits)
    return measurement.value(found["answer"], found.get("foil"))


def extended(inputs: Mapping[str, Tensor], ids: Sequence[int], position: int) -> dict[str, Tensor]:
    """Model inputs with token ids added at the end of what the decoder reads. `position` predicts the first of them.

    Raises `InputError` if that is not the last position, or if some input cannot be continued.
    """
    if not ids:
        return dict(inputs)
    side = "decoder_" if "decoder_input_ids" in inputs else ""
    text = inputs.get(f"{side}input_ids")
    if text is None:
        raise InputError("An answer of several tokens needs a model that reads token ids. Pass an answer of one token.")
    if position != text.shape[1] - 1:
        raise InputError(
            f"An answer of several tokens continues the text, so it is measured at the last position, "
            f"{text.shape[1] - 1}; got position {position}. Pass an answer of one token, or a text that ends there."
        )
    found = dict(inputs)
    for name, value in inputs.items():
        if (side and not name.startswith(side)) or value.ndim != 2 or value.shape[1] != text.shape[1]:
            continue
        found[name] = torch.cat([value, _added(name, value, ids, side)], dim=1)
    return found


def _added(name: str, value: Tensor, ids: Sequence[int], side: str) -> Tensor:
    if name == f"{side}input_ids":
        return torch.tensor([list(ids)], dtype=value.dtype, device=value.device)
    if name.endswith("position_ids"):
        return value[:, -1:] + torch.arange(1, len(ids) + 1, device=value.device)
    if name in _REPEATED:
        return value[:, -1:].expand(-1, len(ids))
    if name.endswith("token_type_ids"):  # such as Gemma's: 1 for a position of an image
        return torch.zeros(1, len(ids), dtype=value.dtype, device=value.device)
    raise InputError(
        f"The model input {name!r:.80} cannot be continued by an answer of several tokens. Pass one token."
    )
