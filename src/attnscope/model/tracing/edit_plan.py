"""Compile edits into a plan for a model whose layers the probe has found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attnscope.edits import Edit
from attnscope.edits.plan import Plan, Planned, plan
from attnscope.errors import UnsupportedError
from attnscope.model.architecture.probe import Architecture
from attnscope.types import Stack, Token


def why_not_editable(architecture: Architecture, title: str) -> str | None:
    """Why edits cannot be made in a model, as a sentence; None if they can."""
    if architecture.route == "interface" and not architecture.outside:
        return None
    return f"{title} does not use transformers' attention interface, so attnscope cannot change its attention."


def check_editable(architecture: Architecture, title: str) -> None:
    """Raise `UnsupportedError` if edits cannot be made in a model."""
    why = why_not_editable(architecture, title)
    if why is not None:
        raise UnsupportedError(why)


def plan_for(
    architecture: Architecture,
    edits: Sequence[Edit | Planned],
    *,
    title: str,
    sizes: Mapping[str, int] | None = None,
    further: Mapping[str, int] | None = None,
    sides: Mapping[str, Sequence[Token]] | None = None,
) -> Plan | None:
    """The plan of `edits` for a model with this architecture; None if there are no edits.

    `sizes` are the numbers of tokens by side (`text`, or `source` and `target`); `further` is how many more tokens may follow
    on each side; `sides` are the tokens in which words are looked up. Raises `InputError` for an edit that does not fit the
    model, and `UnsupportedError` if the model does not use transformers' attention interface.
    """
    if isinstance(edits, (list, tuple)) and not edits:
        return None
    check_editable(architecture, title)
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
