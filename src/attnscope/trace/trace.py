"""`Trace`: one forward pass, from which every view takes what it shows."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from attnscope.attention import LayerRecord, QKRecord
from attnscope.display import Displayed
from attnscope.errors import InputError, UnsupportedError
from attnscope.trace.certificate import Certificate
from attnscope.trace.file import path_of, write
from attnscope.trace.from_attention import parts_of_attention
from attnscope.trace.parts import TraceParts
from attnscope.trace.prediction import Prediction
from attnscope.trace.stack import TracedStack, projected
from attnscope.types import InputImage, Rotary, Stack, Token

Rows = slice | Sequence[int] | Tensor | None


class Trace(Displayed):
    """One forward pass of a model over one input.

    Layers and heads count from 0. `stack` is `"encoder"`, `"decoder"` or `"cross"`, and may be left out where the trace has
    only one. Arrays are float32 tensors on the CPU. Nothing of the size tokens × tokens is kept: `attention` and `scores`
    compute the rows they are asked for. `images` are the images of the input as the model saw them, `edits` what was changed
    of the model's computation (`attnscope.edits`).
    """

    def __init__(
        self,
        *,
        sides: Mapping[str, list[Token]],
        stacks: Mapping[str, TracedStack],
        certificate: Certificate,
        provenance: Mapping[str, Any],
        warnings: Sequence[str] = (),
        next_tokens: list[tuple[str, int, float]] | None = None,
        predictions: Sequence[Prediction] = (),
        logits: Callable[[], Tensor | None] | None = None,
        inputs: Mapping[str, Tensor] | None = None,
        images: Sequence[InputImage] = (),
        edits: Sequence[Any] = (),
    ) -> None:
        self.sides = dict(sides)
        self.images = list(images)
        self.certificate = certificate
        self.warnings = list(warnings)
        self.next_tokens = next_tokens
        self.predictions = list(predictions)
        self.inputs = dict(inputs or {})
        self._stacks = dict(stacks)
        self._provenance = dict(provenance)
        self._logits = logits
        self.edits = list(edits)

    def __repr__(self) -> str:
        shape = ", ".join(f"{name}: {s.layers} × {s.heads} heads" for name, s in self.stacks.items())
        sizes = {side: len(tokens) for side, tokens in self.sides.items()}
        said = (
            " and ".join(f"{count} {side}" for side, count in sizes.items()) if "target" in sizes else len(self.tokens)
        )
        count = len(self._provenance.get("edits", ()))
        edited = f", with {count} edit{'s' if count > 1 else ''}" if count else ""
        return f"<Trace of {said} tokens, {shape}{edited}>"

    @classmethod
    def of_parts(cls, parts: TraceParts) -> Trace:
        """The trace of these parts. It has no logits, and its recorded edits are JSON values (`attnscope.open` reads them)."""
        return cls(**{one.name: getattr(parts, one.name) for one in fields(parts)})

    @property
    def parts(self) -> TraceParts:
        """What the trace consists of now."""
        return TraceParts(
            sides=self.sides,
            stacks=self._stacks,
            certificate=self.certificate,
            provenance=self._provenance,
            warnings=self.warnings,
            next_tokens=self.next_tokens,
            predictions=self.predictions,
            inputs=self.inputs,
            images=self.images,
        )

    @property
    def tokens(self) -> list[Token]:
        """The tokens, one a position; of an encoder-decoder model those of the target side."""
        return self.sides["target"] if "target" in self.sides else self.sides["text"]

    def tokens_for(self, stack: str | None = None) -> tuple[list[Token], list[Token]]:
        """The (query tokens, key tokens) of a stack."""
        found = self.traced_stack(stack)
        return self.sides[found.query_side], self.sides[found.key_side]

    @cached_property
    def stacks(self) -> dict[str, Stack]:
        """The sizes of every stack."""
        return {
            name: Stack.of([record.shape if record else None for record in stack.records])
            for name, stack in self._stacks.items()
        }

    @property
    def nbytes(self) -> int:
        """Bytes that the trace keeps."""
        records = [record for stack in self._stacks.values() for record in stack.records]
        return sum(record.nbytes for record in records if record is not None) + sum(
            len(one.data) for one in self.images
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """Where the trace comes from, as JSON values: model, weights, dtype, versions, input ids, edits, rotary, certificate."""
        return self.parts.full_provenance

    @cached_property
    def id(self) -> str:
        """A hash (32 hex digits) of the content: tokens, edits, and the bytes of everything captured."""
        return self.parts.id

    def traced_stack(self, stack: str | None = None) -> TracedStack:
        """A stack's records. Raises `InputError` for an unknown name, or where a name is needed and none is given."""
        if stack is None and len(self._stacks) == 1:
            return next(iter(self._stacks.values()))
        if not isinstance(stack, str) or stack not in self._stacks:
            names = ", ".join(repr(name) for name in self._stacks)
            got = "no stack was named" if stack is None else f"there is no stack {stack!r}"
            raise InputError(f"This trace has the stacks {names}, and {got}. Pass `stack=` with one of them.")
        return self._stacks[stack]

    def layer_record(self, layer: int, stack: str | None = None) -> LayerRecord:
        """What is kept of one layer. Raises `InputError` for a layer out of range or one without attention."""
        records = self.traced_stack(stack).records
        if not _is_index(layer) or not 0 <= layer < len(records):
            raise InputError(f"There is no layer {layer!r}: layers go from 0 to {len(records) - 1}.")
        record = records[layer]
        if record is None:
            raise InputError(f"Layer {layer} of this model has no attention, so there is nothing to show for it.")
        return record

    def attention(
        self, layer: int, head: int, stack: str | None = None, rows: Rows = None
    ) -> Float[Tensor, "query key"]:
        """Attention weights α (after the softmax), float32. `rows` (a slice or indices) computes these queries only.

        Rows sum to 1; to less where the model has learned sinks; to 0 for a query that may look at no key.
        """
        record = self.layer_record(layer, stack)
        chosen = _rows(rows, record.queries)
        return record.attention(_head(head, record), chosen)[0]

    def scores(self, layer: int, head: int, stack: str | None = None, rows: Rows = None) -> Float[Tensor, "query key"]:
        """Scores before the softmax, with scaling, soft cap, bias and mask applied: -inf where a key is not allowed."""
        record = self._qk(layer, stack, "scores")
        return record.scores(_head(head, record), _rows(rows, record.queries))[0]

    def q(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "query qk_dim"]:
        """Query vectors, after rotary embedding."""
        record = self._qk(layer, stack, "queries")
        return record.q[_head(head, record)][0].float().cpu()

    def k(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "key qk_dim"]:
        """Key vectors, after rotary embedding. Heads of one group (GQA) share them."""
        record = self._qk(layer, stack, "keys")
        return record.k[record.key_head(_head(head, record))][0].float().cpu()

    def v(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "key v_dim"]:
        """Value vectors. Heads of one group (GQA) share them."""
        record = self._qk(layer, stack, "values")
        return record.v[record.key_head(_head(head, record))][0].float().cpu()

    def rotary(self, layer: int, stack: str | None = None) -> Rotary | None:
        """The pairs of dimensions of q and k that turn with the position (RoPE), and their wavelengths in tokens.

        None where they do not turn, or where nobody knows how.
        """
        self.layer_record(layer, stack)
        return self.traced_stack(stack).rotation(layer)

    def head_output(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "query model_dim"]:
        """This head's part of the attention block's output: W_O applied to Σ_j α_ij v_j of this head alone (gated, where it is).

        Over the heads of a layer the parts sum to the block's output minus the projection's bias (Kobayashi 2020).
        Raises `UnsupportedError` where no single module turns the heads' outputs into the block's (a norm between).
        """
        record = self._qk(layer, stack, "head outputs")
        index = _head(head, record)
        projections = self.traced_stack(stack).projections
        module = projections[layer] if layer < len(projections) else None
        if module is None:
            raise UnsupportedError(
                f"The output of head {layer}.{head} is not known: in this trace no output projection (W_O) reads the "
                "attention of this layer directly."
            )
        heads, width = record.shape.heads, record.shape.v_dim
        own = record.passed_on(index, torch.arange(record.queries))[0]
        alone = torch.zeros(record.queries, heads * width)
        alone[:, head * width : (head + 1) * width] = own
        return projected(module, record, alone)

    @cached_property
    def logits(self) -> Float[Tensor, "token vocab"] | None:
        """The model's prediction scores, computed from the final hidden states when first asked for; None without a head."""
        return None if self._logits is None else self._logits()

    def save(self, path: str | os.PathLike[str], *, weights: bool = False) -> None:
        """Write the trace to a file (safetensors; `attnscope.open` reads it), whole or not at all.

        With `weights` the output projections (W_O) are written too, so that `head_output` works without the model.
        """
        write(self.parts, self.id, path_of(path), weights=weights)

    @staticmethod
    def from_attention(
        attentions: Any = None,
        tokens: Sequence[str] | None = None,
        sentence_b_start: int | None = None,
        *,
        key_tokens: Sequence[str] | None = None,
        encoder_attentions: Any = None,
        decoder_attentions: Any = None,
        cross_attentions: Any = None,
        encoder_tokens: Sequence[str] | None = None,
        decoder_tokens: Sequence[str] | None = None,
        prettify_tokens: bool = False,
        partial_rows: bool = False,
    ) -> Trace:
        """A trace of attention weights from anywhere: torch, numpy, JAX or whatever numpy reads.

        `attentions` holds, for each layer, an array [1, heads, tokens, tokens] or [heads, tokens, tokens] (heads may differ
        from layer to layer), or None for a layer without; or is one array of all layers, or a mapping from layers' numbers.
        `tokens` are their texts; those from `sentence_b_start` on belong to sentence B. With `key_tokens` queries (`tokens`)
        look at other tokens: [heads, tokens, key tokens].

        An encoder-decoder model's three kinds are passed by name instead, as its outputs call them, with `encoder_tokens` and
        `decoder_tokens`: they become the stacks `encoder`, `decoder` and `cross`.

        `prettify_tokens` makes tokenizers' marks readable (`Ġthe` is ` the`); else tokens stay as they are. Raises `InputError`
        where shapes, token count or values do not fit: every row must be a distribution, or, with `partial_rows` (models with
        learned sinks), sum to at most 1.
        """
        parts = parts_of_attention(
            attentions,
            tokens,
            sentence_b_start,
            key_tokens=key_tokens,
            encoder=encoder_attentions,
            decoder=decoder_attentions,
            cross=cross_attentions,
            encoder_tokens=encoder_tokens,
            decoder_tokens=decoder_tokens,
            rows="partial" if partial_rows else "whole",
            prettify_tokens=prettify_tokens,
        )
        return Trace.of_parts(parts)

    def _qk(self, layer: int, stack: str | None, what: str) -> QKRecord:
        record = self.layer_record(layer, stack)
        if not isinstance(record, QKRecord):
            raise UnsupportedError(
                f"The {what} of layer {layer} are not known: of this layer only attention weights are there."
            )
        return record


def _is_index(value: object) -> bool:
    return hasattr(value, "__index__") and not isinstance(value, bool)


def _head(head: int, record: LayerRecord) -> Tensor:
    if not _is_index(head) or not 0 <= head < record.shape.heads:
        raise InputError(f"There is no head {head!r}: this layer has heads 0 to {record.shape.heads - 1}.")
    return torch.tensor([head])


def _rows(rows: Rows, queries: int) -> Tensor:
    if rows is None:
        return torch.arange(queries)
    try:
        if isinstance(rows, slice):
            return torch.tensor(range(queries)[rows], dtype=torch.long)
        chosen = torch.as_tensor(rows).reshape(-1)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"Rows are a slice or a list of whole numbers; got {rows!r}.") from error
    if chosen.numel() and (chosen.is_floating_point() or chosen.dtype == torch.bool):
        raise InputError(f"Rows are a slice or a list of whole numbers; got {rows!r}.")
    chosen = chosen.long()
    if len(chosen) and not (-queries <= int(chosen.min()) and int(chosen.max()) < queries):
        raise InputError(f"Rows must lie between 0 and {queries - 1}; got {chosen.tolist()}.")
    return chosen % queries if queries else chosen
