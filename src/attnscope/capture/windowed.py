"""Attention that a module computes part by part (the windows of an image, several images) as that of all positions.

A vision tower for images of any size (Qwen 2.5 VL) splits its queries, keys and values, attends within each part and joins the
outputs. That is one attention over all positions with a mask that lets each look at its own part alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from attnscope.attention import LayerRecord, QKRecord
from attnscope.attention.concat import Part, joined_bias, joined_mask
from attnscope.capture.recorder import Capture
from attnscope.errors import UnsupportedError


def whole_calls(calls: Sequence[Capture]) -> list[Capture]:
    """The calls of a pass, those over one part after another joined."""
    if not any(call.continues for call in calls):
        return list(calls)
    runs: list[list[Capture]] = []
    for call in calls:
        if call.continues:
            runs[-1].append(call)
        else:
            runs.append([call])
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _joined(parts: Sequence[Capture]) -> Capture:
    starts = [0, *torch.tensor([part.record.queries for part in parts]).cumsum(0).tolist()]
    return replace(
        parts[-1],
        record=_joined_record([part.record for part in parts], starts, parts[0].name),
        causal=all(part.causal for part in parts),
        rows=torch.cat([part.rows + start for part, start in zip(parts, starts, strict=False)]),
        output=torch.cat([part.output for part in parts]),
        refusal=next((part.refusal for part in parts if part.refusal), None),
        continues=False,
    )


def _joined_record(records: Sequence[LayerRecord], starts: Sequence[int], name: str) -> QKRecord:
    known = [record for record in records if isinstance(record, QKRecord)]
    first = known[0] if known else None
    alike = len(known) == len(records) and all(
        record.queries == record.keys and (record.scaling, record.softcap) == (known[0].scaling, known[0].softcap)
        for record in known
    )
    if first is None or not alike:
        raise UnsupportedError(
            f"{name} computes its attention part by part in a way that is not understood, so it is not shown."
        )
    parts = [Part(start, start, record.mask, record.bias) for record, start in zip(known, starts, strict=False)]
    return replace(
        first,
        q=torch.cat([record.q for record in known], dim=1),
        k=torch.cat([record.k for record in known], dim=1),
        v=torch.cat([record.v for record in known], dim=1),
        mask=joined_mask(parts, starts[-1]),
        bias=joined_bias(parts, starts[-1]),
    )
