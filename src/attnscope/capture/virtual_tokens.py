"""Virtual tokens of PEFT's prompt learning: positions before the text whose vectors were trained and that stand for no text.

Prompt tuning (Lester et al. 2021) and p-tuning (Liu et al. 2021) put embeddings before those of the text, so virtual tokens are
positions like all others. Prefix tuning (Li & Liang 2021) puts keys and values before those of the text in every layer, so
virtual tokens are attended to but have no queries: their rows of attention are empty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn
from torch.nn.functional import pad

from attnscope.attention import Bias, Mask, QKRecord, WeightsRecord

_KEYS_ONLY = ("PREFIX_TUNING", "CARTRIDGE")


@dataclass(frozen=True)
class VirtualTokens:
    """How many positions come before the text, and whether they have only keys and values."""

    count: int
    keys_only: bool


def virtual_tokens(model: nn.Module) -> VirtualTokens | None:
    """The virtual tokens of a PEFT model; None if it has none."""
    config: Any = getattr(model, "active_peft_config", None) if hasattr(model, "peft_config") else None
    if config is None or not getattr(config, "is_prompt_learning", False):
        return None
    kind = getattr(config.peft_type, "value", config.peft_type)
    return VirtualTokens(int(config.num_virtual_tokens), str(kind) in _KEYS_ONLY)


def with_empty_rows(record: QKRecord | WeightsRecord, count: int) -> QKRecord | WeightsRecord:
    """The record with rows for `count` virtual tokens before the queries: their queries are 0 and attend to nothing."""
    if isinstance(record, WeightsRecord):
        return WeightsRecord(pad(record.weights, (0, 0, count, 0)))
    rows = torch.arange(record.queries)
    mask = Mask.fit(pad(record.mask.allowed(rows), (0, 0, count, 0)))
    bias = record.bias
    if bias is not None:
        queries = record.queries + count
        dense = bias.kind != "key"
        bias = (
            Bias("dense", pad(bias.rows(rows), (0, 0, count, 0)), queries, record.keys)
            if dense
            else replace(bias, queries=queries)
        )
    return replace(record, q=pad(record.q, (0, 0, count, 0)), mask=mask, bias=bias)
