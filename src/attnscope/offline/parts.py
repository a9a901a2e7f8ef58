"""The messages of one pass in a file: for each request about it that the page can make, those that answer it.

They come from a session with the traces of the file; layers are packed more tightly than there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from attnscope.attention import LayerRecord, QKRecord
from attnscope.errors import AttnscopeError
from attnscope.offline.choice import Choice
from attnscope.offline.packing import Packed, pack_vectors, pack_weights
from attnscope.session import Session
from attnscope.session.messages.layer import qk_facts, weights_facts
from attnscope.trace import Trace
from attnscope.wire import Message, decode

FILTERS = ("AA", "AB", "BA", "BB")

_BITS = {"qk": 11.5, "attention": 4.5}
"""The approximate size in bits, once compressed, of a value of q or k and of an attention weight."""


@dataclass(frozen=True)
class Part:
    """The messages that answer the request `name`.

    `error` is the largest error of a weight in them; `vectors` is whether they have q and k.
    """

    name: str
    messages: Sequence[Message]
    error: float = 0.0
    vectors: bool = False


def parts(session: Session, trace: Trace, chosen: Choice, baseline: Trace | None = None) -> Iterator[Part]:
    """The parts of a pass, and how its thumbnails differ from a baseline. Those that the page needs first come first."""
    [traced] = answers(session, "trace", trace=trace.id)
    yield Part("trace", [_without_layers(traced, chosen)])
    for stack in trace.stacks:
        records = trace.traced_stack(stack).records
        present = [index for index, record in enumerate(records) if record is not None and chosen.has(index)]
        if not present:
            continue
        yield from _overviews(session, trace, stack, present, baseline)
        for index in present:
            record = records[index]
            assert record is not None
            layer = _layer(trace.id, stack, index, record, chosen)
            yield layer
            if layer.vectors and chosen.values:
                values = answers(session, "values", trace=trace.id, stack=stack, layer=index)
                yield Part(f"values {stack} {index}", values)


def answers(session: Session, kind: str, **body: Any) -> list[Message]:
    """The session's responses to a request. Raises `AttnscopeError` if the session answers with an error."""
    responses = responses_to(session, kind, **body)
    if responses[-1].type == "error":
        raise AttnscopeError(responses[-1].body["message"])
    return responses


def responses_to(session: Session, kind: str, **body: Any) -> list[Message]:
    """The session's responses to a request, of which the last may be an error. Messages about progress are left out."""
    responses: list[Message] = []
    session.answer(Message(kind, kind, body), lambda data: responses.append(decode(data)))
    return [one for one in responses if one.type != "progress"]


def changed(message: Message, **fields: Any) -> Message:
    """The message with other fields."""
    return replace(message, body={**message.body, **fields})


def _overviews(
    session: Session, trace: Trace, stack: str, present: Sequence[int], baseline: Trace | None
) -> Iterator[Part]:
    """The thumbnails of a stack and, for a sentence pair, of each sentence-to-sentence part; then their differences."""
    pair = all(any(token.sentence == "B" for token in side) for side in trace.tokens_for(stack))
    compared = {} if baseline is None else {"baseline": baseline.id}
    for part in ("", *(FILTERS if pair else ())):
        filtered = {"filter": part} if part else {}
        found = [
            changed(one, last=one.body["layer"] == present[-1])
            for one in answers(session, "overview", trace=trace.id, stack=stack, **filtered, **compared)
            if one.body["layer"] in present
        ]
        name = f"{stack} {part}".strip()
        yield Part(f"overview {name}", [_without_difference(one) for one in found])
        if baseline is not None:
            yield Part(f"difference {name}", [_difference_alone(one) for one in found])


def _without_difference(overview: Message) -> Message:
    body = {name: value for name, value in overview.body.items() if name not in ("baseline", "unchanged", "largest")}
    return replace(
        overview, body=body, tensors={n: array for n, array in overview.tensors.items() if n != "difference"}
    )


def _difference_alone(overview: Message) -> Message:
    return replace(overview, tensors={n: array for n, array in overview.tensors.items() if n == "difference"})


def _layer(trace_id: str, stack: str, index: int, record: LayerRecord, chosen: Choice) -> Part:
    if isinstance(record, QKRecord) and _as_vectors(record, chosen):
        (facts, others), packed = qk_facts(record), pack_vectors(record, chosen.error)
    else:
        facts, others, packed = weights_facts(record), {}, pack_weights(record, chosen.error_of_weights)
    where = {"last": True, "trace": trace_id, "stack": stack, "layer": index}
    body = {**where, **facts, "error": packed.error, **_packed_facts(packed)}
    message = Message("layer", f"layer {stack} {index}", body, {**packed.arrays, **others})
    return Part(message.id, [message], error=packed.error, vectors="q" in packed.names)


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
    return changed(traced, stacks=stacks, warnings=[*traced.body["warnings"], warning])


def _ranges(layers: Sequence[int]) -> str:
    """Write ascending numbers as ranges, such as `0–5, 7`."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and layer == runs[-1][-1] + 1:
            runs[-1].append(layer)
        else:
            runs.append([layer])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)
