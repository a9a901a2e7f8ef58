"""Assign each call of the attention function to a stack, by the lengths of its queries and keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attnscope.capture import Capture
from attnscope.errors import UnsupportedError


@dataclass(frozen=True)
class Group:
    """The calls of one stack, in order, and the sides that its queries and keys come from."""

    calls: list[Capture]
    query_side: str = "text"
    key_side: str = "text"

    @property
    def causal(self) -> bool:
        """Whether any layer is causal."""
        return self.query_side == self.key_side and any(call.causal for call in self.calls)


def grouped(calls: Sequence[Capture], inputs: Mapping[str, Any], *, encoder_decoder: bool) -> dict[str, Group]:
    """The stacks of a pass on `inputs`, by name. In a model of images and text, some calls may belong to no stack.

    Raises `UnsupportedError` if a call of any other model fits no known stack.
    """
    if encoder_decoder:
        return _encoder_decoder(calls, inputs["decoder_input_ids"].shape[1])
    if "pixel_values" in inputs and "input_ids" in inputs:
        return _with_images(calls, inputs["input_ids"].shape[1])
    group = Group(list(calls))
    return {"decoder" if group.causal else "encoder": group}


def _with_images(calls: Sequence[Capture], tokens: int) -> dict[str, Group]:
    """Separate the calls of the text from those of the vision tower by the list of layers that they belong to.

    The text stack is the last list in which all queries and keys are the tokens of the text (a tower may happen to have as many
    patches). The tower is the first list in which all patches attend to each other. Other lists (Q-Formers, cross-attention
    layers) are not shown.
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
            f"This model has attention in {len(lists)} lists of layers ({', '.join(lists)}), and none of them "
            f"attends to the {tokens} tokens of the text. Trace a text without an image, if the model accepts one."
        )
    text = Group(lists.pop(of_text[-1]))
    found = {"decoder" if text.causal else "encoder": text}
    tower = next((own for own in lists.values() if _of_one_side(own)), None)
    if tower is not None:
        found["vision"] = Group(tower, "image", "image")
    return found


def _of_one_side(calls: Sequence[Capture]) -> bool:
    """Whether all calls have as many keys as queries, the same number in every layer."""
    return len({size for call in calls for size in (call.record.queries, call.record.keys)}) == 1


def calls_not_shown(calls: Sequence[Capture], groups: Mapping[str, Group]) -> tuple[list[Capture], tuple[str, ...]]:
    """The calls that belong to none of the groups, and a note about them."""
    inside = {id(call) for group in groups.values() for call in group.calls}
    others = [call for call in calls if id(call) not in inside]
    lists = list(dict.fromkeys(_list_of_layers(call.name) for call in others))
    if not others:
        return [], ()
    return others, (
        (
            f"The attention in {' and '.join(lists)} belongs neither to the text nor to the image patches, so it "
            "is not shown."
        ),
    )


def _list_of_layers(path: str) -> str:
    """The path of the list of layers that contains a module: everything before its last number."""
    parts = path.split(".")
    last = max((i for i, part in enumerate(parts) if part.isdigit()), default=len(parts))
    return ".".join(parts[:last])


def _encoder_decoder(calls: Sequence[Capture], target: int) -> dict[str, Group]:
    """Assign calls to stacks by length.

    Calls with target queries and keys form the decoder, other calls with target queries form cross, and the rest the encoder.
    The source must be longer or shorter than the target, or the calls could not be told apart.
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
            raise _unknown_side(call)
    sources = {call.record.keys for call in encoder.calls}
    if len(sources) > 1:
        raise UnsupportedError(
            f"The layers of this model's encoder have different lengths ({', '.join(map(str, sorted(sources)))} "
            "positions), which attnscope cannot show."
        )
    odd = next((call for call in cross.calls if sources and call.record.keys not in sources), None)
    if odd is not None:
        raise _unknown_side(odd)
    found = {"encoder": encoder, "decoder": decoder, "cross": cross}
    return {name: group for name, group in found.items() if group.calls}


def _unknown_side(call: Capture) -> UnsupportedError:
    return UnsupportedError(
        f"In {call.name}, {call.record.queries} queries attend to {call.record.keys} keys, which match neither "
        "the source nor the target, so attnscope cannot show this model."
    )
