"""The JSON description in a trace file, read with types and checked: tokens, predictions, provenance and certificate.

What can be computed from other parts of the file is computed: whether the layers of the certificate agree with its tolerance,
and its sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from attnscope.errors import DamagedError
from attnscope.trace.certificate import TOLERANCES, Certificate, LayerCertificate, Scope
from attnscope.trace.json_value import JsonValue
from attnscope.trace.prediction import Choice, Prediction
from attnscope.types import Box, Rotary, Token

SIDES = ("text", "source", "target", "image")
_TOKEN_FIELDS = ("text", "id", "special", "sentence", "continues", "raw", "box", "image", "role", "given", "padding")
_LONGEST_SIDE = 2**13
"""Width or height of an image in pixels, as a model sees it, at most. It limits the memory for a forged image."""

_ABOVE_ONE = 1 + 1e-3
_HASH = r"[0-9a-f]{32}"
_TEXT_FIELDS = (
    *("model", "title", "class", "revision", "weights", "dtype", "quantization"),
    *("text", "pair", "target"),
)


@dataclass(frozen=True)
class Layers:
    """One stack as the file describes it; `facts` has one value per layer, null for a layer without attention."""

    causal: bool
    query_side: str
    key_side: str
    facts: list[JsonValue]


def trace_id_of(described: JsonValue) -> str:
    """The recorded id of the trace."""
    return described.field("id").text(_HASH)


def image_sizes_of(described: JsonValue) -> list[tuple[int, int]]:
    """Width and height of each image; none in files of old versions."""
    images = described.optional("images")
    return [
        (width.integer(1, _LONGEST_SIDE), height.integer(1, _LONGEST_SIDE))
        for width, height in (one.elements(2) for one in (images.elements() if images else []))
    ]


def sides_of(described: JsonValue, images: Sequence[tuple[int, int]]) -> dict[str, list[Token]]:
    """The tokens of every side."""
    sides = {
        name: [_token(token, images) for token in tokens.elements()]
        for name, tokens in described.field("tokens").fields(SIDES).items()
    }
    if not {"text", "target"} & sides.keys():
        raise DamagedError("`tokens` must contain text or target.")
    return sides


def _token(value: JsonValue, images: Sequence[tuple[int, int]]) -> Token:
    fields = value.fields(_TOKEN_FIELDS)
    box, image, sentence, role, given = (value.optional(name) for name in ("box", "image", "sentence", "role", "given"))
    index = None if image is None else image.integer(0, max(len(images) - 1, 0))
    return Token(
        text=value.field("text").text(),
        id=value.field("id").integer(-1),
        sentence=None if sentence is None else sentence.one_of("A", "B"),
        **{name: fields[name].boolean() for name in ("special", "continues", "raw", "padding") if name in fields},
        box=None if box is None else _box(box, images[index or 0] if images else None),
        image=index,
        role=None if role is None else role.text(),
        given=None if given is None else given.text(),
    )


def _box(value: JsonValue, size: tuple[int, int] | None) -> Box:
    width, height = size or (_LONGEST_SIDE, _LONGEST_SIDE)
    x0, y0, x1, y1 = value.elements(4)
    right, bottom = x1.integer(1, width), y1.integer(1, height)
    return x0.integer(0, right - 1), y0.integer(0, bottom - 1), right, bottom


def layers_of(described: JsonValue, sides: Mapping[str, list[Token]]) -> dict[str, Layers]:
    """The stacks, without their tensors."""
    stacks: dict[str, Layers] = {}
    for name, stack in described.field("stacks").fields().items():
        JsonValue(name, "stacks").text(r"(?!input$|image$)[a-z][a-z0-9_]{0,39}")
        query, key = (stack.field(side).one_of(*sides) for side in ("query", "key"))
        layers = stack.field("layers").elements()
        if all(layer.value is None for layer in layers):
            raise DamagedError(f"`{stack.place}` has no layer with attention.")
        if not sides[query] or not sides[key]:
            raise DamagedError(f"`{stack.place}` has no tokens.")
        stacks[name] = Layers(stack.field("causal").boolean(), query, key, layers)
    if not stacks:
        raise DamagedError("`stacks` is empty.")
    return stacks


def warnings_of(described: JsonValue) -> list[str]:
    """The warnings."""
    return [one.text() for one in described.field("warnings").elements()]


def next_tokens_of(described: JsonValue) -> list[tuple[str, int, float]] | None:
    """The most likely next tokens, or None."""
    found = described.field("next").or_null()
    if found is None:
        return None
    return [
        (text.text(), ident.integer(), probability.number(0, _ABOVE_ONE))
        for text, ident, probability in (one.elements(3) for one in found.elements())
    ]


def predictions_of(described: JsonValue, sides: Mapping[str, list[Token]]) -> list[Prediction]:
    """The other predictions; their positions are those of the target side, if there is one."""
    found = described.optional("predictions")
    tokens = sides["target"] if "target" in sides else sides["text"]
    return [_prediction(one, len(tokens)) for one in (found.elements() if found else [])]


def _prediction(value: JsonValue, tokens: int) -> Prediction:
    kind: str = value.field("of").one_of("token", "label", "token_label", "start", "end", "answer")
    position, exclusive = value.optional("position"), value.optional("exclusive")
    if (position is None) == (kind in ("token", "token_label")):
        value.field("position").wrong("a position for a token and its label, and null for other predictions")
    highest = tokens - 1 if kind in ("start", "end", "answer") else None
    choices = tuple(_choice(one, highest) for one in value.field("choices").elements())
    if not choices:
        value.field("choices").wrong("a list of at least one choice")
    return Prediction(
        of=kind,  # pyright: ignore[reportArgumentType] - one of its values
        position=None if position is None else position.integer(0, tokens - 1),
        choices=choices,
        exclusive=exclusive is None or exclusive.boolean(),
    )


def _choice(value: JsonValue, highest: int | None) -> Choice:
    """One choice. `highest` is the last position, if the choices are positions."""
    value.fields(("text", "id", "probability", "value", "last"))
    probability, last = value.optional("probability"), value.optional("last")
    ident = value.field("id")
    first = ident.integer() if highest is None else ident.integer(0, highest)
    return Choice(
        text=value.field("text").text(),
        id=first,
        probability=None if probability is None else probability.number(0, _ABOVE_ONE),
        value=value.field("value").number(),
        last=None if last is None else last.integer(first, first if highest is None else highest),
    )


def provenance_of(described: JsonValue) -> dict[str, Any]:
    """The provenance without rotary embedding and certificate. Known fields are checked; others are kept as they are."""
    value = described.field("provenance")
    fields = {name: one.value for name, one in value.fields().items() if name not in ("rotary", "certificate")}
    if "quantisation" in fields:  # files written by version 0.1.0
        fields["quantization"] = fields.pop("quantisation")
    provenance = JsonValue(fields, value.place)
    for name in _TEXT_FIELDS:
        _if_there(provenance, name, JsonValue.text)
    _if_there(provenance, "parameters", JsonValue.integer)
    for name in ("input_ids", "decoder_input_ids"):
        _if_there(provenance, name, lambda ids: [one.integer() for one in ids.elements()])
    _if_there(provenance, "versions", lambda versions: [one.text() for one in versions.fields().values()])
    _if_there(provenance, "continue_final_message", JsonValue.boolean)
    _if_there(provenance, "messages", lambda messages: [one.field("role").text() for one in messages.elements()])
    _if_there(provenance, "edits", lambda edits: [one.fields() for one in edits.elements()])
    return fields


def _if_there(value: JsonValue, name: str, check: Callable[[JsonValue], object]) -> None:
    found = value.optional(name)
    if found is not None:
        check(found)


def rotary_of(described: JsonValue, stack: str, dims: Sequence[int | None]) -> list[Rotary | None]:
    """The rotary embedding of each layer. `dims` is each layer's qk_dim, or None for a layer without q and k."""
    everything = described.field("provenance").optional("rotary")
    value = None if everything is None else everything.optional(stack)
    if value is None:
        return [None] * len(dims)
    by_layer = value.elements(len(dims)) if isinstance(value.value, list) else [value] * len(dims)
    return [_rotary(one, size) for one, size in zip(by_layer, dims, strict=True)]


def _rotary(value: JsonValue, dims: int | None) -> Rotary | None:
    if value.value is None or dims is None:
        return None
    pairs = [
        (first.integer(0, dims - 1), second.integer(0, dims - 1))
        for first, second in (pair.elements(2) for pair in value.field("pairs").elements())
    ]
    wavelengths = [one.number(low=0.0) for one in value.field("wavelengths").elements(len(pairs))]
    return Rotary(tuple(pairs), tuple(wavelengths))


def certificate_of(described: JsonValue, layers: Mapping[str, Layers]) -> Certificate:
    """The certificate as recorded. Its verdicts and its sentence follow from the errors and the tolerance in the file."""
    value = described.field("provenance").field("certificate")
    scope: Scope = value.field("scope").one_of(*get_args(Scope))
    tolerance = value.field("tolerance").number(0.0, max(TOLERANCES))
    stacks: dict[str, list[LayerCertificate]] = {}
    for name, found in value.field("stacks").fields(tuple(layers)).items():
        stacks[name] = [_layer_certificate(one, tolerance) for one in found.elements()]
        present = [index for index, facts in enumerate(layers[name].facts) if facts.value is not None]
        if [one.layer for one in stacks[name]] != present:
            raise DamagedError(f"`{found.place}` must list the layers with attention.")
    if stacks and stacks.keys() != layers.keys():
        raise DamagedError(f"`{value.place}` must cover all stacks.")
    if stacks and tolerance not in TOLERANCES:
        value.field("tolerance").wrong(f"one of {', '.join(f'{one:g}' for one in sorted(TOLERANCES))}")
    return Certificate.recorded_in_file(stacks, tolerance, scope)


def _layer_certificate(value: JsonValue, tolerance: float) -> LayerCertificate:
    errors = {
        name: None if (one := value.optional(name)) is None else one.number(low=0.0)
        for name in ("weighted_values", "hidden_states", "eager_weights")
    }
    note = value.optional("note")
    agrees = all(error <= tolerance for error in errors.values() if error is not None)
    return LayerCertificate(
        layer=value.field("layer").integer(),
        ok=value.field("ok").boolean() and agrees,
        **errors,
        note=None if note is None else note.text(),
    )
