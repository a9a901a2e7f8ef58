"""Which stack each call of the attention function belongs to: found by looking at the lengths of queries and keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.capture import Capture
from attnscope.errors import UnsupportedError


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
    """The stacks of a pass over `inputs`, by name; a model of images and texts may make calls that are of none of them.

    Raises `UnsupportedError` where another model's call is of no stack that is known.
    """
    if encoder_decoder:
        return _encoder_decoder(calls, inputs["decoder_input_ids"].shape[1])
    if "pixel_values" in inputs and "input_ids" in inputs:
        return _with_images(calls, inputs["input_ids"].shape[1])
    group = Group(list(calls))
    return {"decoder" if group.causal else "encoder": group}


def _with_images(calls: Sequence[Capture], tokens: int) -> dict[str, Group]:
    """The calls of the text and those of the vision tower, told apart by the list of layers they lie in.

    The text is where all queries and keys are the tokens of the text (the last such list, if a tower has as many patches), the
    tower the first list in which all patches look at each other. Others lie between both (Q-Formers, layers across).
    """
    lists: dict[str, list[Capture]] = {}
    for call in calls:
        lists.setdefault(_list_of_layers(call.name), []).append(call)
    of_text = [
        name
        for name, own in lists.items()
        if all((call.record.queries, call.record.keys) == (tokens, tokens) for call in own)
    ]
    if not of_text:
        raise UnsupportedError(
            f"This model's attention lies in {len(lists)} parts ({', '.join(lists)}), and none is that of a text with {tokens} "
            "tokens. Trace a text alone, where the model reads one."
        )
    text = Group(lists.pop(of_text[-1]))
    found = {"decoder" if text.causal else "encoder": text}
    tower = next((own for own in lists.values() if _of_one_side(own)), None)
    if tower is not None:
        found["vision"] = Group(tower, "image", "image")
    return found


def _of_one_side(calls: Sequence[Capture]) -> bool:
    """Whether all queries look at as many keys, in every layer the same number."""
    return len({size for call in calls for size in (call.record.queries, call.record.keys)}) == 1


def left_out(calls: Sequence[Capture], groups: Mapping[str, Group]) -> tuple[list[Capture], tuple[str, ...]]:
    """The calls that are in none of the groups, and a sentence about them."""
    inside = {id(call) for group in groups.values() for call in group.calls}
    others = [call for call in calls if id(call) not in inside]
    lists = list(dict.fromkeys(_list_of_layers(call.name) for call in others))
    if not others:
        return [], ()
    return others, (
        f"The attention in {' and '.join(lists)} is neither of the text nor of the image's patches, so it is not shown.",
    )


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
        raise UnsupportedError(
            f"The layers of this model's encoder have different lengths ({', '.join(map(str, sorted(sources)))} positions), "
            "which is not shown."
        )
    odd = next((call for call in cross.calls if sources and call.record.keys not in sources), None)
    if odd is not None:
        raise _odd(odd)
    found = {"encoder": encoder, "decoder": decoder, "cross": cross}
    return {name: group for name, group in found.items() if group.calls}


def _odd(call: Capture) -> UnsupportedError:
    return UnsupportedError(
        f"In {call.name} {call.record.queries} queries look at {call.record.keys} keys, which are neither the positions of the "
        "source nor those of the target, so this model is not shown."
    )
