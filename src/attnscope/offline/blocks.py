"""The data of an offline page: for each request that the page can make, the messages that answer it (docs/reference/wire.md).

The messages come from a session with only this trace; layers are packed more tightly than there. A block is a compressed
stream of messages, framed as over HTTP, and is named after its request.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import AttnscopeError, InputError
from attnscope.offline.packing import BYTE_ERROR, Packed, pack_vectors, pack_weights
from attnscope.session import Session, StoredTrace
from attnscope.session.messages.layer import qk_facts, weights_facts
from attnscope.trace import Trace
from attnscope.trace.positions import indices_of
from attnscope.wire import Message, decode, encode, frame

Form = Literal["auto", "qk", "attention"]
FILTERS = ("AA", "AB", "BA", "BB")
FORMS: tuple[Form, ...] = ("auto", "qk", "attention")

ERRORS = ((1_000_000, 5e-5), (2_000_000, 5e-4))
"""Pairs of the number of q and k values in a file, at most, and the largest error of a weight: 4 and 3 correct decimals."""
LARGEST_ERROR = 3e-3
"""The largest error of a weight in larger files: 2 correct decimals."""

_BITS = {"qk": 11.5, "attention": 4.5}
"""The approximate size in bits, once compressed, of a value of q or k and of an attention weight."""
_THOROUGH_BYTES = 2**18
_CAN = ("trace", "overview", "layer", "edge")


@dataclass(frozen=True)
class Block:
    """A compressed stream of messages. `error` is the largest error of a weight in it; `vectors` is whether it has q and k."""

    name: str
    data: bytes
    error: float = 0.0
    vectors: bool = False


@dataclass(frozen=True)
class Choice:
    """What part of a trace to write, and how.

    Attributes:
        layers: The layers to write; None for all.
        form: Write q and k, or attention weights, or choose (see `document`).
        neurons: Whether the neuron view needs q and k.
        values: Whether to write value vectors and the norms computed with W_O.
        error: The largest error of weights computed from the q and k in the file.
        error_of_weights: The largest error of weights that are in the file themselves.
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
    """Choose what to write of this trace. Raises `InputError` for invalid layers, an invalid form or an invalid error."""
    if form not in FORMS:
        raise InputError(f"`form` must be one of {', '.join(map(repr, FORMS))}; got {form!r:.80}.")
    if error is not None and not 1e-7 <= error <= 0.1:
        raise InputError(f"`error`, the largest error of a weight, must be from 1e-7 to 0.1; got {error!r:.80}.")
    indices = None if layers is None else _layers(trace, layers)
    base = Choice(indices, form, neurons and form != "attention")
    numbers = _count_numbers(trace, base)
    fine = next((one for most, one in ERRORS if numbers <= most), None)
    small = numbers <= ERRORS[0][0] and form != "attention"
    return replace(
        base,
        error=error or fine or LARGEST_ERROR,
        error_of_weights=error or fine or BYTE_ERROR,
        values=small if values is None else values,
    )


def blocks(trace: Trace, chosen: Choice) -> Iterator[Block]:
    """The blocks of a file. Those that the page needs first come first."""
    session = Session(traces=[StoredTrace.without_model(trace)])
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
    """Whether to write q and k for a layer. Without neurons, the smaller form is written: q and k for long inputs."""
    if chosen.form != "auto" or chosen.neurons:
        return chosen.form != "attention"
    shape = record.shape
    vectors = (shape.heads * record.queries + shape.kv_heads * record.keys) * shape.qk_dim
    weights = shape.heads * record.queries * record.keys / (1 if record.mask.kind == "full" else 2)
    return vectors * _BITS["qk"] <= weights * _BITS["attention"]


def _count_numbers(trace: Trace, chosen: Choice) -> int:
    """The number of q and k values in the layers, counting attention weights where q and k are unknown."""
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
    chosen = indices_of(layers)
    count = max(stack.layers for stack in trace.stacks.values())
    if chosen is None:
        raise InputError(f"`layers` must be a list of layers, from 0 to {count - 1}; got {layers!r:.80}.")
    for layer in chosen:
        if not 0 <= layer < count:
            raise InputError(f"Layer {layer} does not exist: this trace has layers 0 to {count - 1}.")
    records = [trace.traced_stack(stack).records for stack in trace.stacks]
    if not any(record is not None for stack in records for index, record in enumerate(stack) if index in chosen):
        raise InputError("None of the chosen `layers` has attention, so there is nothing to export.")
    return frozenset(chosen)


def _without_layers(traced: Message, chosen: Choice) -> Message:
    """The `trace` message without the dropped layers: their shapes are null, and they are listed as `left_out`."""
    stacks: dict[str, Any] = {}
    for name, stack in traced.body["stacks"].items():
        shapes: Sequence[Any] = stack["shapes"]
        dropped = [index for index, shape in enumerate(shapes) if shape is not None and not chosen.has(index)]
        kept = [None if index in dropped else shape for index, shape in enumerate(shapes)]
        stacks[name] = {**stack, "shapes": kept, "left_out": dropped} if dropped else stack
    layers = chosen.layers
    if layers is None:
        return traced
    word, verb = ("layer", "is") if len(layers) == 1 else ("layers", "are")
    warning = f"Only {word} {_ranges(sorted(layers))} {verb} in this file; the other layers were omitted."
    return _changed(traced, stacks=stacks, warnings=[*traced.body["warnings"], warning])


def _ranges(layers: Sequence[int]) -> str:
    """Write ascending numbers as ranges, such as `0–5, 7`."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][-1] + 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    return ", ".join(str(part[0]) if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts)


def _overviews(session: Session, trace: Trace, stack: str, present: Sequence[int]) -> Iterator[Block]:
    """The thumbnails of a stack and, for a sentence pair, of each sentence-to-sentence part."""
    pair = all(any(token.sentence == "B" for token in side) for side in trace.tokens_for(stack))
    for part in ("", *(FILTERS if pair else ())):
        fields = {"filter": part} if part else {}
        kept = [
            _changed(one, last=one.body["layer"] == present[-1])
            for one in _answers(session, "overview", trace=trace.id, stack=stack, **fields)
            if one.body["layer"] in present
        ]
        yield _block(f"overview {stack} {part}".strip(), kept)


def _answers(session: Session, kind: str, **body: Any) -> list[Message]:
    """The session's responses to a request. Raises `AttnscopeError` if the session answers with an error."""
    responses: list[Message] = []
    session.answer(Message(kind, kind, body), lambda data: responses.append(decode(data)))
    if responses[-1].type == "error":
        raise AttnscopeError(responses[-1].body["message"])
    return responses


def _changed(message: Message, **fields: Any) -> Message:
    return replace(message, body={**message.body, **fields})


def _block(name: str, messages: Sequence[Message], *, error: float = 0.0, vectors: bool = False) -> Block:
    stream = b"".join(frame(encode(message)) for message in messages)
    # Level 9 saves 1% and takes five times as long, so only small blocks use it.
    packer = zlib.compressobj(9 if len(stream) <= _THOROUGH_BYTES else 6, zlib.DEFLATED, 31, 9)
    return Block(name, packer.compress(stream) + packer.flush(), error, vectors)
