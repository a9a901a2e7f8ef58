"""What a file holds: for each request that its page may make, the messages that answer it (docs/wire.md).

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
from attnscope.offline.packing import Packed, pack_vectors, pack_weights
from attnscope.session import HeldTrace, Session
from attnscope.session.layer_message import qk_facts, weights_facts
from attnscope.trace import Trace
from attnscope.wire import Message, decode, encode, frame

Form = Literal["auto", "qk", "attention"]
FORMS: tuple[Form, ...] = ("auto", "qk", "attention")

ERRORS = ((1_000_000, 5e-5), (2_000_000, 5e-4))
"""How far off a weight may be where a file holds at most so many numbers of q and k: four and three decimals are right."""
LARGEST_ERROR = 3e-3
"""… and in larger files: two decimals."""

_BITS = {"qk": 11.5, "attention": 4.5}
"""What a number of q or k, and a weight, about take once compressed."""
_CAN = ("overview", "layer")


@dataclass(frozen=True)
class Block:
    """One compressed stream of messages. `error` is the largest of a weight in it, `vectors` whether it holds q and k."""

    name: str
    data: bytes
    error: float = 0.0
    vectors: bool = False


@dataclass(frozen=True)
class Choice:
    """What of a trace is written, and how: `layers` None for all, `error` None for what the size suggests."""

    layers: frozenset[int] | None = None
    form: Form = "auto"
    neurons: bool = True
    error: float | None = None

    def has(self, layer: int) -> bool:
        """Whether a layer is in the file."""
        return self.layers is None or layer in self.layers


def choice(trace: Trace, layers: Iterable[int] | None, form: str, error: float | None, *, neurons: bool) -> Choice:
    """A choice that fits the trace. Raises `InputError` for layers, a form or an error that do not."""
    if form not in FORMS:
        raise InputError(f"`form` is one of {', '.join(map(repr, FORMS))}; got {form!r}.")
    if error is not None and not 1e-7 <= error <= 0.1:
        raise InputError(f"`error` is how far off a weight may be, from 1e-7 to 0.1; got {error!r}.")
    chosen = None if layers is None else _layers(trace, layers)
    given = Choice(chosen, form, neurons and form != "attention", error)
    return given if error is not None else replace(given, error=_error(trace, given))


def blocks(trace: Trace, chosen: Choice) -> Iterator[Block]:
    """The blocks of a file, one after another: what it needs at first comes first."""
    held = HeldTrace.alone(trace)
    session = Session(traces=[held])
    [hello] = _answers(session, "hello")
    yield _block("hello", [_changed(hello, can=[name for name in _CAN if name in hello.body["can"]], examples=[])])
    [traced] = _answers(session, "trace", trace=trace.id)
    yield _block("trace", [_without_layers(traced, chosen)])
    for stack in trace.stacks:
        records = trace.traced_stack(stack).records
        present = [index for index, record in enumerate(records) if record is not None and chosen.has(index)]
        if present:
            yield _block(f"overview {stack}", list(_overview(session, trace.id, stack, present)))
        for index in present:
            record = records[index]
            assert record is not None
            yield _layer(trace.id, stack, index, record, chosen)


def _layer(trace_id: str, stack: str, index: int, record: LayerRecord, chosen: Choice) -> Block:
    assert chosen.error is not None
    if isinstance(record, QKRecord) and _as_vectors(record, chosen):
        (facts, others), packed = qk_facts(record), pack_vectors(record, chosen.error)
    else:
        facts, others, packed = weights_facts(record), {}, pack_weights(record, chosen.error)
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


def _error(trace: Trace, chosen: Choice) -> float:
    """How far off a weight may be: little where that costs little."""
    numbers = 0
    for stack in trace.stacks:
        for index, record in enumerate(trace.traced_stack(stack).records):
            if record is None or not chosen.has(index):
                continue
            shape = record.shape
            vectors = (shape.heads * record.queries + shape.kv_heads * record.keys) * shape.qk_dim
            numbers += vectors if isinstance(record, QKRecord) else shape.heads * record.queries * record.keys
    return next((error for most, error in ERRORS if numbers <= most), LARGEST_ERROR)


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
    return _changed(traced, stacks=stacks)


def _overview(session: Session, trace_id: str, stack: str, present: Sequence[int]) -> Iterator[Message]:
    for message in _answers(session, "overview", trace=trace_id, stack=stack):
        if message.body["layer"] in present:
            yield _changed(message, last=message.body["layer"] == present[-1])


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
    # Most of a page's bytes are numbers without repetitions, for which this strategy is the best one.
    packer = zlib.compressobj(9, zlib.DEFLATED, 31, 9, zlib.Z_FILTERED)
    stream = b"".join(frame(encode(message)) for message in messages)
    return Block(name, packer.compress(stream) + packer.flush(), error, vectors)
