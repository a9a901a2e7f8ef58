"""How much of a trace was generated, so that edits can be planned for it as they were for its prompt.

An edit that takes values from another pass fits a prompt of the same length. What was generated after it does not count.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from attnscope.trace import Trace


def generated_tokens(trace: Trace) -> dict[str, int]:
    """How many tokens of each side were generated after the first prompt; empty if none were."""
    side = "target" if "target" in trace.sides else "text"
    first = first_prompt(trace.provenance.get("generated"))
    count = 0 if first is None or side not in trace.sides else len(trace.sides[side]) - first
    return {side: count} if count > 0 else {}


def first_prompt(generated: object) -> int | None:
    """The length of the prompt, from the `generated` of a provenance. Of a continued generation, that of the first one."""
    found: int | None = None
    while isinstance(generated, Mapping):
        fields = cast("Mapping[str, Any]", generated)
        prompt, generated = fields.get("prompt"), fields.get("continues")
        found = prompt if isinstance(prompt, int) and not isinstance(prompt, bool) else found
    return found
