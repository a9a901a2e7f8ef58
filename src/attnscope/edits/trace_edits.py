"""The edits recorded in a saved trace, read and checked against its layers, heads and tokens."""

from __future__ import annotations

from attnscope.attention import QKRecord
from attnscope.edits.edit import Edit
from attnscope.edits.kinds import AddVector
from attnscope.edits.serialization import unresolved
from attnscope.edits.validation import check_layer, check_positions, resolved, shape_of, stack_of
from attnscope.errors import DamagedError, InputError
from attnscope.trace import Trace
from attnscope.trace.parts import TraceParts


def saved_trace(parts: TraceParts, name: str) -> Trace:
    """The trace with these parts, read from a file; traces in its edits are `TraceRef`s. `name` names it in messages.

    Raises `DamagedError` for edits that the recorded pass cannot have had.
    """
    trace = Trace.of_parts(parts)
    try:
        trace.edits = unresolved(trace.provenance.get("edits") or [])
        for edit in trace.edits:
            _check_edit(edit, trace)
    except InputError as error:
        raise DamagedError(f"The edits recorded in {name} are invalid: {error}") from error
    return trace


def _check_edit(edit: Edit, trace: Trace) -> None:
    """Raise `InputError` for an edit that the recorded pass cannot have had: another layer, head, dimension or token."""
    name = stack_of(edit, trace.stacks)
    stack, tokens = trace.stacks[name], trace.tokens_for(name)
    check_layer(edit, stack)
    if not isinstance(edit, AddVector) and isinstance(trace.traced_stack(name).records[edit.layer], QKRecord):
        shape_of(edit, stack)
    if "generated" not in trace.provenance:  # an edit may name a token that generation did not reach
        check_positions(resolved(edit, tokens), *map(len, tokens))
