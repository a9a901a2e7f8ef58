"""Check the arguments that `head_view` and `model_view` share, and build a trace from them."""

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
from attnscope.validation import is_index


@dataclass(frozen=True)
class AttentionArguments:
    """Attention as BertViz takes it: for one stack with `tokens`, or for the three stacks of an encoder-decoder model."""

    attention: Any
    tokens: Any
    sentence_b_start: int | None
    encoder_attention: Any
    decoder_attention: Any
    cross_attention: Any
    encoder_tokens: Any
    decoder_tokens: Any

    def trace(self, *, prettify_tokens: bool) -> Trace:
        """Build the trace. Raises `InputError` (a ValueError) for arguments that cannot be combined."""
        encoder_decoder = {
            "encoder_attention": self.encoder_attention,
            "decoder_attention": self.decoder_attention,
            "cross_attention": self.cross_attention,
            "encoder_tokens": self.encoder_tokens,
            "decoder_tokens": self.decoder_tokens,
        }
        passed = [name for name, value in encoder_decoder.items() if value is not None]
        if self.attention is not None:
            if self.tokens is None:
                raise InputError("'tokens' is required with 'attention': one text per position.")
            if passed:
                raise InputError(
                    f"'attention' is for a model with one stack and cannot be combined with {passed[0]!r:.300}. Pass either "
                    "'attention' and 'tokens', or the arguments for an encoder-decoder model."
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
    """The layers or heads to include, ascending; None for all. Negative indices count from the end, as in a list.

    Raises `InputError` for an index out of range or an empty list.
    """
    if numbers is None:
        return None
    what = name.removeprefix("include_")
    listed = list(numbers) if hasattr(numbers, "__iter__") else [numbers]
    wrong = [one for one in listed if not is_index(one) or not -count <= one < count]
    if wrong or not listed:
        got = f"got {wrong[0]!r:.80}" if wrong else "got none"
        raise InputError(f"'{name}' must list at least one of the {what} from 0 to {count - 1}; {got}.")
    return sorted({int(one) % count for one in listed})


def with_heads(trace: Trace, heads: Sequence[int] | None) -> Trace:
    """The trace restricted to these heads, which keep their indices; the weights of the others are 0."""
    if heads is None:
        return trace
    stacks: dict[str, TracedStack] = {}
    for name in trace.stacks:
        stack = trace.traced_stack(name)
        records = [None if record is None else _with_heads(record, heads) for record in stack.records]
        stacks[name] = TracedStack(records, stack.causal, stack.query_side, stack.key_side)
    provenance = {**trace.provenance, "title": f"user-supplied attention, heads {', '.join(map(str, heads))}"}
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
    """The stack to show first (the first that has `layer`), and the layer to show.

    Raises `InputError` if `layer` is not among the layers included.
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
    """The initial selection: the first of `heads` that exists in the first layer shown; None if there is none."""
    stack = trace.traced_stack(next(iter(trace.stacks)))
    for index, record in enumerate(stack.records):
        if record is not None and (layers is None or index in layers):
            return [head for head in heads or () if head < record.shape.heads][:1] or None
    return None
