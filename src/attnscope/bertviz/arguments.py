"""The arguments that head and model view share, checked, as a trace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from attnscope.attention import LayerRecord, WeightsRecord
from attnscope.errors import InputError
from attnscope.trace import Trace
from attnscope.trace.from_attention import from_attention, from_encoder_decoder
from attnscope.trace.stack import TracedStack


@dataclass(frozen=True)
class Given:
    """Attention as BertViz takes it: of one stack with `tokens`, or of an encoder-decoder model's three."""

    attention: Any
    tokens: Any
    sentence_b_start: int | None
    encoder_attention: Any
    decoder_attention: Any
    cross_attention: Any
    encoder_tokens: Any
    decoder_tokens: Any

    def trace(self, *, prettify_tokens: bool) -> Trace:
        """The trace. Raises `InputError` (a ValueError) for arguments that do not go together."""
        apart = {
            "encoder_attention": self.encoder_attention,
            "decoder_attention": self.decoder_attention,
            "cross_attention": self.cross_attention,
            "encoder_tokens": self.encoder_tokens,
            "decoder_tokens": self.decoder_tokens,
        }
        passed = [name for name, value in apart.items() if value is not None]
        if self.attention is not None:
            if self.tokens is None:
                raise InputError("'tokens' is required with 'attention': one text for each position.")
            if passed:
                raise InputError(
                    f"'attention' is of a model with one stack, so it does not go with {passed[0]!r}. Pass 'attention' and "
                    "'tokens', or the arguments of an encoder-decoder model."
                )
            parts = from_attention(
                self.attention,
                self.tokens,
                self.sentence_b_start,
                rows="any",
                prettify_tokens=prettify_tokens,
                name="attention",
            )
            return Trace.of_parts(parts)
        if not any(name.endswith("attention") for name in passed):
            raise InputError(
                "You must specify at least one attention argument: 'attention' (with transformers, `outputs.attentions`), or "
                "'encoder_attention', 'decoder_attention' or 'cross_attention'."
            )
        parts = from_encoder_decoder(
            encoder=self.encoder_attention,
            decoder=self.decoder_attention,
            cross=self.cross_attention,
            encoder_tokens=self.encoder_tokens,
            decoder_tokens=self.decoder_tokens,
            rows="any",
            prettify_tokens=prettify_tokens,
            plural="",
        )
        return Trace.of_parts(parts)


def included(name: str, numbers: Any, count: int) -> list[int] | None:
    """Numbers of layers or heads to include, ascending; None for all. Negative ones count from the end, as in a list."""
    if numbers is None:
        return None
    what = name.removeprefix("include_")
    listed = list(numbers) if hasattr(numbers, "__iter__") else [numbers]
    wrong = [
        one for one in listed if isinstance(one, bool) or not hasattr(one, "__index__") or not -count <= one < count
    ]
    if wrong or not listed:
        got = f"got {wrong[0]!r}" if wrong else "got none"
        raise InputError(f"'{name}' names {what} from 0 to {count - 1}, at least one; {got}.")
    return sorted({int(one) % count for one in listed})


def with_heads(trace: Trace, heads: Sequence[int] | None) -> Trace:
    """The trace with these heads alone, under their own numbers: the others hold no weights."""
    if heads is None:
        return trace
    stacks: dict[str, TracedStack] = {}
    for name in trace.stacks:
        stack = trace.traced_stack(name)
        records = [None if record is None else _with_heads(record, heads) for record in stack.records]
        stacks[name] = TracedStack(records, stack.causal, stack.query_side, stack.key_side)
    provenance = {**trace.provenance, "title": f"given attention, heads {', '.join(map(str, heads))}"}
    return Trace(
        sides=trace.sides,
        stacks=stacks,
        certificate=trace.certificate,
        provenance={name: value for name, value in provenance.items() if name not in ("certificate", "rotary")},
        warnings=[*trace.warnings, f"Only heads {', '.join(map(str, heads))} were included; the others are empty."],
    )


def _with_heads(record: LayerRecord, heads: Sequence[int]) -> LayerRecord | None:
    kept = [head for head in heads if head < record.shape.heads]
    if not kept:
        return None
    weights = torch.zeros(kept[-1] + 1, record.queries, record.keys)
    weights[kept] = record.attention(torch.tensor(kept), torch.arange(record.queries))
    return WeightsRecord(weights)


def first_stack(trace: Trace, layers: Sequence[int] | None, layer: int | None) -> tuple[str, int | None]:
    """The stack that is shown first, and its layer: the first that has the layer asked for.

    Raises `InputError` for a layer that is not among those included.
    """
    if layer is None:
        return next(iter(trace.stacks)), None
    for name, stack in trace.stacks.items():
        if layer in (range(stack.layers) if layers is None else layers) and layer < stack.layers:
            return name, int(layer)
    deepest = max(stack.layers for stack in trace.stacks.values())
    raise InputError(
        f"Layer {layer} is not in include_layers: {list(range(deepest)) if layers is None else list(layers)}"
    )


def first_heads(trace: Trace, layers: Sequence[int] | None, heads: Sequence[int] | None) -> list[int] | None:
    """The heads that are selected first: of those included, the first that the first layer shown has."""
    stack = trace.traced_stack(next(iter(trace.stacks)))
    for index, record in enumerate(stack.records):
        if record is not None and (layers is None or index in layers):
            return [head for head in heads or () if head < record.shape.heads][:1] or None
    return None
