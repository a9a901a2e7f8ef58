"""The `align` response: which tokens, layers and heads of two traces correspond. See docs/reference/wire.md."""

from __future__ import annotations

from typing import TypedDict

from attnscope.trace.correspondence import Correspondence


class StackFields(TypedDict):
    """How a stack corresponds to that of the baseline."""

    layers: int
    note: str | None
    heads: list[int]


class AlignFields(TypedDict):
    """The fields of an `align` response, apart from the two traces."""

    identical: bool
    sides: dict[str, list[int]]
    substituted: list[list[int]]
    stacks: dict[str, StackFields]
    notes: list[str]


def align_fields(found: Correspondence) -> AlignFields:
    """The fields of an `align` response."""
    return {
        "identical": found.identical,
        "sides": {name: side.tolist() for name, side in found.sides.items()},
        "substituted": [list(pair) for pair in found.substituted],
        "stacks": {
            name: {"layers": len(one.heads), "note": one.note, "heads": list(one.heads)}
            for name, one in found.stacks.items()
        },
        "notes": list(found.notes),
    }
