"""Which stack each call of the attention function belongs to: found by looking at the lengths of queries and keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.capture import Capture
from attnscope.errors import RefusedError


@dataclass(frozen=True)
class Group:
    """The calls of one stack, in order, and the token sides of its queries and keys."""

    calls: list[Capture]
    query_side: str = "text"
    key_side: str = "text"

    @property
    def causal(self) -> bool:
        """Whether any layer looks back only."""
        return self.query_side == self.key_side and any(call.causal for call in self.calls)


def grouped(calls: Sequence[Capture], inputs: Mapping[str, Any], *, encoder_decoder: bool) -> dict[str, Group]:
    """The stacks of a pass over `inputs`, by name. Raises `RefusedError` where a call is of no stack that is known."""
    if encoder_decoder:
        return _encoder_decoder(calls, inputs["decoder_input_ids"].shape[1])
    if "pixel_values" in inputs and "input_ids" in inputs:
        return _with_pictures(calls, inputs["input_ids"].shape[1])
    group = Group(list(calls))
    return {"decoder" if group.causal else "encoder": group}


def _with_pictures(calls: Sequence[Capture], tokens: int) -> dict[str, Group]:
    """The calls of the text and those of the vision tower, told apart by the list of layers they lie in.

    The text is where all queries and keys are the tokens of the text (the last such list, if a tower has as many patches).
    """
    lists: dict[str, list[Capture]] = {}
    for call in calls:
        lists.setdefault(_list_of_layers(call.name), []).append(call)
    of_text = [
        name
        for name, own in lists.items()
        if all((call.record.queries, call.record.keys) == (tokens, tokens) for call in own)
    ]
    if not of_text or len(lists) > 2:
        raise RefusedError(
            f"This model's attention lies in {len(lists)} parts ({', '.join(lists)}), and shown are a text with {tokens} tokens "
            "and one vision tower. Trace a text alone, where the model reads one."
        )
    text = Group(lists.pop(of_text[-1]))
    found = {"decoder" if text.causal else "encoder": text}
    for own in lists.values():
        found["vision"] = Group(own, "image", "image")
    return found


def _list_of_layers(path: str) -> str:
    """The path of the list of layers that a module is in: what stands before its last number."""
    parts = path.split(".")
    last = max((i for i, part in enumerate(parts) if part.isdigit()), default=len(parts))
    return ".".join(parts[:last])


def _encoder_decoder(calls: Sequence[Capture], target: int) -> dict[str, Group]:
    """Queries and keys of the target: decoder; queries of the target alone: cross; neither: encoder.

    The source has another length than the target, or a call could not be told from another.
    """
    encoder, decoder, cross = (
        Group([], "source", "source"),
        Group([], "target", "target"),
        Group([], "target", "source"),
    )
    for call in calls:
        queries, keys = call.record.queries, call.record.keys
        if queries == target:
            (decoder if keys == target else cross).calls.append(call)
        elif queries == keys:
            encoder.calls.append(call)
        else:
            raise _odd(call)
    sources = {call.record.keys for call in encoder.calls}
    if len(sources) > 1:
        raise RefusedError(
            f"The layers of this model's encoder have different lengths ({', '.join(map(str, sorted(sources)))} positions), "
            "which is not shown."
        )
    odd = next((call for call in cross.calls if sources and call.record.keys not in sources), None)
    if odd is not None:
        raise _odd(odd)
    found = {"encoder": encoder, "decoder": decoder, "cross": cross}
    return {name: group for name, group in found.items() if group.calls}


def _odd(call: Capture) -> RefusedError:
    return RefusedError(
        f"In {call.name} {call.record.queries} queries look at {call.record.keys} keys, which are neither the positions of the "
        "source nor those of the target, so this model is not shown."
    )
