"""The initial view and selection of a page, as the fields of its URL hash (frontend/src/state/hash.ts)."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import parse_qsl

from attnscope.errors import InputError
from attnscope.offline.choice import Choice
from attnscope.trace import Trace
from attnscope.trace.positions import Position, indices_of, resolve_one

MAX_ADDRESS = 100_000
"""The most characters of an address: some 10,000 pins."""
_ELSEWHERE = ("trace", "model", "text", "pair", "target", "messages", "baseline")
"""Fields that name an input. A page has its own traces."""
FIELDS = ("before", "after", "difference")
_VIEWS = {"model": {"at": "model"}, "head": {"at": "head"}, "neuron": {"at": "side", "side": "neurons"}}


def start_address(
    trace: Trace,
    chosen: Choice,
    *,
    view: str | None,
    layer: int | None,
    heads: Sequence[int] | None,
    token: Position | None,
    stack: str | None,
    theme: str | None = None,
) -> dict[str, str]:
    """The fields of the URL hash.

    Raises `InputError` for a view, layer, head, token or stack that is not in the page, and for an invalid theme.
    """
    if view is not None and view not in _VIEWS:
        raise InputError(
            f"`view` must be one of {', '.join(map(repr, _VIEWS))}, or None for all three; got {view!r:.80}."
        )
    if theme not in (None, "auto", "light", "dark"):
        raise InputError(
            f"`theme` must be 'light' or 'dark', or 'auto' or None for the reader's own setting; got {theme!r:.80}."
        )
    name = stack if stack is not None else next(iter(trace.stacks))
    records = trace.traced_stack(name).records
    present = [index for index, record in enumerate(records) if record is not None and chosen.has(index)]
    if layer is not None and layer not in present:
        trace.layer_record(layer, name)
        raise InputError(f"Layer {layer} is not one of the exported `layers`, so the page cannot open with it.")
    start = layer if layer is not None else next(iter(present), 0)
    record = records[start]
    fields = {"stack": name} if len(trace.stacks) > 1 else {}
    fields["layer"] = str(start)
    if heads is not None:
        count = 0 if record is None else record.shape.heads
        listed = indices_of(heads)
        if not listed or not all(0 <= head < count for head in listed):
            raise InputError(f"`heads` must be heads of layer {start}, from 0 to {count - 1}; got {heads!r:.80}.")
        fields["heads"] = ",".join(map(str, listed))
    if token is not None:
        fields["token"] = f"q{resolve_one(token, trace.tokens_for(name)[0], 'token', from_end=False)}"
    if theme is not None:
        fields["theme"] = theme
    return fields | ({"whole": "one", **_VIEWS[view]} if view is not None else {})


def comparison_address(baseline: Trace | None, field: str | None) -> dict[str, str]:
    """The fields of the URL hash that name the baseline and what is shown of it.

    Raises `InputError` for an invalid field, and for a field without a baseline.
    """
    if field is not None and field not in FIELDS:
        raise InputError(f"`field` must be one of {', '.join(map(repr, FIELDS))}; got {field!r:.80}.")
    if baseline is None:
        if field is not None:
            raise InputError(f"`field={field!r}` needs a `baseline`, the trace to compare with.")
        return {}
    return {"baseline": baseline.id, "field": field or "difference"}


def address_fields(address: str) -> dict[str, str]:
    """The fields of an address that describe a view. The page ignores parts that it cannot read.

    Raises `InputError` for an address that is too long.
    """
    if len(address) > MAX_ADDRESS:
        raise InputError(f"The address of a view has at most {MAX_ADDRESS:,} characters; got {len(address):,}.")
    fields = parse_qsl(address.removeprefix("#"), keep_blank_values=True)
    return {name: value for name, value in fields if name not in _ELSEWHERE}
