"""Join attention that a module computes in parts (windows of an image, several images) into one attention.

A vision tower for images of any size (Qwen 2.5 VL) splits its queries, keys and values, attends within each part and
joins the outputs. This equals one attention over all positions, with a mask that limits each position to its own part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from attnscope.attention import LayerRecord, QKRecord
from attnscope.attention.concat import Part, joined_bias, joined_mask
from attnscope.capture.recorder import Capture
from attnscope.errors import UnsupportedError


def join_parts(calls: Sequence[Capture]) -> list[Capture]:
    """Return the calls of a pass, with calls for consecutive parts joined into one."""
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
        unsupported=next((part.unsupported for part in parts if part.unsupported), None),
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
            f"{name} computes its attention in several parts that attnscope cannot join, so it cannot show "
            "this attention."
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
