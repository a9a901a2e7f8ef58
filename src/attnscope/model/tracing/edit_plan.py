"""Edits compiled into a plan for a model whose layers the probe has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attnscope.edits import Edit, Plan, Planned, plan
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.probe import Architecture
from attnscope.types import Stack, Token


def plan_for(
    architecture: Architecture,
    edits: Sequence[Edit | Planned],
    *,
    title: str,
    sizes: Mapping[str, int] | None = None,
    further: Mapping[str, int] | None = None,
    sides: Mapping[str, Sequence[Token]] | None = None,
) -> Plan | None:
    """The plan of `edits` for a model with this architecture; None where there are none.

    `sizes` are the numbers of tokens by side (`text`, or `source` and `target`), `further` how many may follow on a side, `sides`
    the tokens that words in edits are looked up in. Raises
    `InputError` for an edit that does not fit, `UnsupportedError` where attention does not go through transformers' interface.
    """
    if isinstance(edits, (list, tuple)) and not edits:
        return None
    if architecture.route != "interface" or architecture.outside:
        raise UnsupportedError(
            f"{title} computes its attention outside transformers' attention interface, so nothing in it can be edited."
        )
    return plan(
        edits,
        {name: Stack.of(stack.shapes) for name, stack in architecture.stacks.items()},
        rotary={name: stack.rotary for name, stack in architecture.stacks.items()},
        lengths=None
        if sizes is None
        else {
            name: (sizes[stack.query_side], sizes[stack.key_side])
            for name, stack in architecture.stacks.items()
            if stack.query_side in sizes and stack.key_side in sizes
        },
        further={
            name: ((further or {}).get(stack.query_side, 0), (further or {}).get(stack.key_side, 0))
            for name, stack in architecture.stacks.items()
        },
        tokens={
            name: (sides[stack.query_side], sides[stack.key_side])
            for name, stack in architecture.stacks.items()
            if sides is not None and stack.query_side in sides and stack.key_side in sides
        },
    )
