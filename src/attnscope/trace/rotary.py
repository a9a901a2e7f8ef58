"""The rotary embedding (RoPE) of a stack's layers as JSON values, for a trace's provenance, its file and wire messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from attnscope.attention import LayerRecord
from attnscope.types import Rotary


def rotary_fields(
    records: Sequence[LayerRecord | None], rotary: Sequence[Rotary | None]
) -> dict[str, Any] | list[dict[str, Any] | None] | None:
    """One object if all layers with attention use the same rotary embedding, a list by layer if not, None if none uses any."""
    found = [one for record, one in zip(records, rotary, strict=False) if record is not None]
    if all(one is None for one in found):
        return None
    if all(one == found[0] for one in found):
        return _fields(found[0])
    return [_fields(one) for one in rotary]


def _fields(rotary: Rotary | None) -> dict[str, Any] | None:
    if rotary is None:
        return None
    return {"pairs": [list(pair) for pair in rotary.pairs], "wavelengths": list(rotary.wavelengths)}
