"""How much of a trace was generated, so that edits can be planned for it as they were for its prompt.

An edit that takes values from another pass fits a prompt of the same length. What was generated after it does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attnscope.edits.plan import Plan
from attnscope.model.architecture.probe import Architecture
from attnscope.model.tracing.edit_plan import plan_for
from attnscope.trace import Trace


def generated_tokens(trace: Trace) -> dict[str, int]:
    """How many tokens of each side were generated after the first prompt; empty if none were."""
    side = "target" if "target" in trace.sides else "text"
    first = first_prompt(trace.provenance.get("generated"))
    count = 0 if first is None or side not in trace.sides else len(trace.sides[side]) - first
    return {side: count} if count > 0 else {}


def prompt_sizes(trace: Trace) -> dict[str, int]:
    """The number of tokens of each side, without those that were generated after the first prompt."""
    generated = generated_tokens(trace)
    return {side: len(tokens) - generated.get(side, 0) for side, tokens in trace.sides.items()}


def trace_plan(architecture: Architecture, trace: Trace, title: str) -> Plan | None:
    """The plan of a trace's own edits, to run its input with them again. Raises the errors of `plan_for`."""
    sizes, further = prompt_sizes(trace), generated_tokens(trace)
    return plan_for(architecture, trace.edits, title=title, sizes=sizes, further=further)


def first_prompt(generated: object) -> int | None:
    """The length of the prompt, from the `generated` of a provenance. Of a continued generation, that of the first one."""
    found: int | None = None
    while isinstance(generated, Mapping):
        fields = cast("Mapping[str, Any]", generated)
        prompt, generated = fields.get("prompt"), fields.get("continues")
        found = prompt if isinstance(prompt, int) and not isinstance(prompt, bool) else found
    return found
