"""What a file holds: for each request that its page may make, the messages that answer it (docs/reference/wire.md).

The messages are those of a session that holds the trace alone; only layers are packed more tightly. A block is a stream of
messages as HTTP would carry it, compressed; its name is the request's.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import AttnscopeError, InputError
from attnscope.offline.packing import BYTE_ERROR, Packed, pack_vectors, pack_weights
from attnscope.session import HeldTrace, Session
from attnscope.session.messages.layer import qk_facts, weights_facts
from attnscope.trace import Trace
from attnscope.wire import Message, decode, encode, frame

Form = Literal["auto", "qk", "attention"]
FILTERS = ("AA", "AB", "BA", "BB")
FORMS: tuple[Form, ...] = ("auto", "qk", "attention")

ERRORS = ((1_000_000, 5e-5), (2_000_000, 5e-4))
"""How far off a weight may be where a file holds at most so many numbers of q and k: four and three decimals are right."""
LARGEST_ERROR = 3e-3
"""… and in larger files: two decimals."""

_BITS = {"qk": 11.5, "attention": 4.5}
"""What a number of q or k, and a weight, about take once compressed."""
_THOROUGH_BYTES = 2**18
_CAN = ("trace", "overview", "layer", "edge")


@dataclass(frozen=True)
class Block:
    """One compressed stream of messages. `error` is the largest of a weight in it, `vectors` whether it holds q and k."""

    name: str
    data: bytes
    error: float = 0.0
    vectors: bool = False


@dataclass(frozen=True)
class Choice:
    """What of a trace is written, and how: `layers` None for all; `values`: v, and what W_O makes of it, too.

    `error` is how far off weights made from q and k may be, `error_of_weights` where the weights themselves are written.
    """

    layers: frozenset[int] | None = None
    form: Form = "auto"
    neurons: bool = True
    values: bool = False
    error: float = LARGEST_ERROR
    error_of_weights: float = BYTE_ERROR

    def has(self, layer: int) -> bool:
        """Whether a layer is in the file."""
        return self.layers is None or layer in self.layers


def choice(
    trace: Trace, layers: Iterable[int] | None, form: str, error: float | None, *, neurons: bool, values: bool | None
) -> Choice:
    """A choice that fits the trace. Raises `InputError` for layers, a form or an error that do not."""
    if form not in FORMS:
        raise InputError(f"`form` is one of {', '.join(map(repr, FORMS))}; got {form!r}.")
    if error is not None and not 1e-7 <= error <= 0.1:
        raise InputError(f"`error` is how far off a weight may be, from 1e-7 to 0.1; got {error!r}.")
    chosen = None if layers is None else _layers(trace, layers)
    given = Choice(chosen, form, neurons and form != "attention")
    numbers = _numbers(trace, given)
    fine = next((one for most, one in ERRORS if numbers <= most), None)
    small = numbers <= ERRORS[0][0] and form != "attention"
    return replace(
        given,
        error=error or fine or LARGEST_ERROR,
        error_of_weights=error or fine or BYTE_ERROR,
        values=small if values is None else values,
    )


def blocks(trace: Trace, chosen: Choice) -> Iterator[Block]:
    """The blocks of a file, one after another: what it needs at first comes first."""
    session = Session(traces=[HeldTrace.alone(trace)])
    [traced] = _answers(session, "trace", trace=trace.id)
    yield _block("trace", [_without_layers(traced, chosen)])
    error, with_values = 0.0, False
    for stack in trace.stacks:
        records = trace.traced_stack(stack).records
        present = [index for index, record in enumerate(records) if record is not None and chosen.has(index)]
        if not present:
            continue
        yield from _overviews(session, trace, stack, present)
        for index in present:
            record = records[index]
            assert record is not None
            block = _layer(trace.id, stack, index, record, chosen)
            error = max(error, block.error)
            yield block
            if block.vectors and chosen.values:
                with_values = True
                yield _block(
                    f"values {stack} {index}", _answers(session, "values", trace=trace.id, stack=stack, layer=index)
                )
    [hello] = _answers(session, "hello")
    can = [*_CAN, *(["values"] if with_values else [])]
    yield _block("hello", [_changed(hello, can=can, examples=[], file={"error": error})])


def _layer(trace_id: str, stack: str, index: int, record: LayerRecord, chosen: Choice) -> Block:
    if isinstance(record, QKRecord) and _as_vectors(record, chosen):
        (facts, others), packed = qk_facts(record), pack_vectors(record, chosen.error)
    else:
        facts, others, packed = weights_facts(record), {}, pack_weights(record, chosen.error_of_weights)
    where = {"last": True, "trace": trace_id, "stack": stack, "layer": index}
    body = {**where, **facts, "error": packed.error, **_packed_facts(packed)}
    message = Message("layer", f"layer {stack} {index}", body, {**packed.arrays, **others})
    return _block(message.id, [message], error=packed.error, vectors="q" in packed.names)


def _packed_facts(packed: Packed) -> dict[str, Any]:
    facts: dict[str, Any] = {"packed": list(packed.names)}
    if packed.dot_error is not None:
        facts["dot_error"] = packed.dot_error
    if packed.triangle:
        facts["triangle"] = True
    return facts


def _as_vectors(record: QKRecord, chosen: Choice) -> bool:
    """Whether a layer's q and k are written. Without neurons it is what takes less: q and k do for long inputs."""
    if chosen.form != "auto" or chosen.neurons:
        return chosen.form != "attention"
    shape = record.shape
    vectors = (shape.heads * record.queries + shape.kv_heads * record.keys) * shape.qk_dim
    weights = shape.heads * record.queries * record.keys / (1 if record.mask.kind == "full" else 2)
    return vectors * _BITS["qk"] <= weights * _BITS["attention"]


def _numbers(trace: Trace, chosen: Choice) -> int:
    """How many numbers of q and k, or weights where these are not known, the layers hold."""
    numbers = 0
    for stack in trace.stacks:
        for index, record in enumerate(trace.traced_stack(stack).records):
            if record is None or not chosen.has(index):
                continue
            shape = record.shape
            vectors = (shape.heads * record.queries + shape.kv_heads * record.keys) * shape.qk_dim
            numbers += vectors if isinstance(record, QKRecord) else shape.heads * record.queries * record.keys
    return numbers


def _layers(trace: Trace, layers: Iterable[int]) -> frozenset[int]:
    chosen = list(layers)
    count = max(stack.layers for stack in trace.stacks.values())
    for layer in chosen:
        if not hasattr(layer, "__index__") or isinstance(layer, bool) or not 0 <= layer < count:
            raise InputError(f"There is no layer {layer!r} to export: layers go from 0 to {count - 1}.")
    records = [trace.traced_stack(stack).records for stack in trace.stacks]
    if not any(record is not None for stack in records for index, record in enumerate(stack) if index in chosen):
        raise InputError("`layers` names no layer that has attention, so there would be nothing to show.")
    return frozenset(int(layer) for layer in chosen)


def _without_layers(traced: Message, chosen: Choice) -> Message:
    """The trace as the page knows it: a layer that is left out has no shape, and is named."""
    stacks: dict[str, Any] = {}
    for name, stack in traced.body["stacks"].items():
        shapes: Sequence[Any] = stack["shapes"]
        left_out = [index for index, shape in enumerate(shapes) if shape is not None and not chosen.has(index)]
        kept = [None if index in left_out else shape for index, shape in enumerate(shapes)]
        stacks[name] = {**stack, "shapes": kept, "left_out": left_out} if left_out else stack
    given = chosen.layers
    if given is None:
        return traced
    said = f"Only {'layer' if len(given) == 1 else 'layers'} {_ranges(sorted(given))} are in this file; the others were left out."
    return _changed(traced, stacks=stacks, warnings=[*traced.body["warnings"], said])


def _ranges(layers: Sequence[int]) -> str:
    """Ascending numbers for a person: `0–5, 7`."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][-1] + 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts)


def _overviews(session: Session, trace: Trace, stack: str, present: Sequence[int]) -> Iterator[Block]:
    """The thumbnails of a stack, and of the parts of it between two sentences."""
    pair = all(any(token.sentence == "B" for token in side) for side in trace.tokens_for(stack))
    for part in ("", *(FILTERS if pair else ())):
        asked = {"filter": part} if part else {}
        kept = [
            _changed(one, last=one.body["layer"] == present[-1])
            for one in _answers(session, "overview", trace=trace.id, stack=stack, **asked)
            if one.body["layer"] in present
        ]
        yield _block(f"overview {stack} {part}".strip(), kept)


def _answers(session: Session, kind: str, **body: Any) -> list[Message]:
    """What the session answers to a request. Raises `AttnscopeError` where it refuses."""
    answered: list[Message] = []
    session.answer(Message(kind, kind, body), lambda data: answered.append(decode(data)))
    if answered[-1].type == "error":
        raise AttnscopeError(answered[-1].body["message"])
    return answered


def _changed(message: Message, **fields: Any) -> Message:
    return replace(message, body={**message.body, **fields})


def _block(name: str, messages: Sequence[Message], *, error: float = 0.0, vectors: bool = False) -> Block:
    stream = b"".join(frame(encode(message)) for message in messages)
    # Level 9 saves a hundredth and takes five times as long: that is for small files.
    packer = zlib.compressobj(9 if len(stream) <= _THOROUGH_BYTES else 6, zlib.DEFLATED, 31, 9)
    return Block(name, packer.compress(stream) + packer.flush(), error, vectors)
