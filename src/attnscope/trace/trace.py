"""`Trace`: one forward pass, from which every view takes what it shows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cached_property
from typing import Any, Literal, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from attnscope.attention import LayerRecord, QKRecord
from attnscope.display import Displayed
from attnscope.errors import InputError, UnsupportedError
from attnscope.trace.certificate import Certificate
from attnscope.trace.file import write
from attnscope.trace.from_attention import parts_of_attention
from attnscope.trace.parts import TraceParts
from attnscope.trace.positions import Position, is_word, resolve_each
from attnscope.trace.prediction import Prediction
from attnscope.trace.stack import TracedStack, projected
from attnscope.trace.tensor_file import path_of
from attnscope.trace.words import Span, spans
from attnscope.types import InputImage, Rotary, Stack, Token
from attnscope.validation import FLAG, PATH, check_arguments, is_index

Rows = Position | Sequence[Position] | Tensor | None
Side = Literal["query", "key"]


class LogitsAt(Protocol):
    """Computes the logits of a trace, [token, vocab] or [label], at these positions or (for None) at all of them."""

    def __call__(self, positions: Sequence[int] | None = None) -> Tensor | None:
        """The logits; None if the model has none."""
        ...


class Trace(Displayed):
    """One forward pass of a model over one input.

    Layers and heads count from 0. `stack` is `"encoder"`, `"decoder"` or `"cross"`; you can omit it if the trace has only one
    stack. Arrays are float32 tensors on the CPU. The trace never stores an array of size tokens × tokens: `attention` and
    `scores` compute the rows that you ask for. `images` holds the images of the input as the model saw them, and `edits` the
    interventions in this forward pass (`attnscope.edits`).
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
        logits: LogitsAt | None = None,
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
        """Make a trace from its parts. It has no logits; its recorded edits stay JSON values (`attnscope.open` reads them).

        :meta private:
        """
        return cls(**{one.name: getattr(parts, one.name) for one in fields(parts)})

    @property
    def parts(self) -> TraceParts:
        """The parts that make up the trace now.

        :meta private:
        """
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
        """The tokens, one per position; for an encoder-decoder model, those of the target side."""
        return self.sides["target"] if "target" in self.sides else self.sides["text"]

    def find(self, text: str, stack: str | None = None, side: Side | None = None) -> list[int]:
        """Indices of all tokens of all occurrences of a word or phrase, ascending; empty if it doesn't occur.

        Searches `tokens`; for a trace with several stacks, `stack` and `side` ("query" or "key") choose other tokens. The exact
        text counts first, then the same text in any case. An occurrence is never part of a longer word, unless nothing else
        matches and a single token is this text ("ing").
        """
        return sorted({index for span in self.spans(text, stack, side) for index in span})

    def spans(self, text: str, stack: str | None = None, side: Side | None = None) -> list[Span]:
        """The tokens of each occurrence of a word or phrase, one tuple of indices per occurrence.

        See `find` for the arguments. Raises `InputError` for a `text` that is not a string, or an unknown `stack` or `side`.
        """
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise InputError(f"`text` is a word or phrase of the text; got {text!r:.80}.")
        if side not in (None, "query", "key"):
            raise InputError(f"`side` is 'query' or 'key'; got {side!r:.80}.")
        if stack is None and (side is None or len(self._stacks) == 1):
            return spans(text, self.tokens)
        queries, keys = self.tokens_for(stack)
        return spans(text, keys if side == "key" else queries)

    def tokens_for(self, stack: str | None = None) -> tuple[list[Token], list[Token]]:
        """The query tokens and the key tokens of a stack."""
        found = self.traced_stack(stack)
        return self.sides[found.query_side], self.sides[found.key_side]

    @cached_property
    def stacks(self) -> dict[str, Stack]:
        """The sizes of each stack."""
        return {
            name: Stack.of([record.shape if record else None for record in stack.records])
            for name, stack in self._stacks.items()
        }

    @property
    def nbytes(self) -> int:
        """Size of the stored arrays and images, in bytes."""
        records = [record for stack in self._stacks.values() for record in stack.records]
        return sum(record.nbytes for record in records if record is not None) + sum(
            len(one.data) for one in self.images
        )

    @property
    def provenance(self) -> dict[str, Any]:
        """The origin of the trace as JSON values: model, weights, dtype, versions, input ids, edits, rotary, certificate."""
        return self.parts.full_provenance

    @cached_property
    def id(self) -> str:
        """A content hash (32 hex digits) over tokens, edits and the bytes of everything captured."""
        return self.parts.id

    def traced_stack(self, stack: str | None = None) -> TracedStack:
        """The records of a stack. Raises `InputError` for an unknown name, or for None if the trace has several stacks.

        :meta private:
        """
        if stack is None and len(self._stacks) == 1:
            return next(iter(self._stacks.values()))
        if not isinstance(stack, str) or stack not in self._stacks:
            names = ", ".join(repr(name) for name in self._stacks)
            got = "no stack was named" if stack is None else f"there is no stack {stack!r:.80}"
            raise InputError(f"This trace has the stacks {names}, and {got}. Pass one of them as `stack=`.")
        return self._stacks[stack]

    def layer_record(self, layer: int, stack: str | None = None) -> LayerRecord:
        """The record of one layer. Raises `InputError` for a layer out of range or one without attention.

        :meta private:
        """
        records = self.traced_stack(stack).records
        if not is_index(layer) or not 0 <= layer < len(records):
            raise InputError(f"Layer {layer!r:.80} does not exist: this stack has layers 0 to {len(records) - 1}.")
        record = records[layer]
        if record is None:
            raise InputError(f"Layer {layer} of this model has no attention, so there is nothing to show.")
        return record

    def attention(
        self, layer: int, head: int, stack: str | None = None, rows: Rows = None
    ) -> Float[Tensor, "query key"]:
        """Attention weights α (after the softmax), float32.

        `rows` computes only some queries: an index, a word ("nurse"), ("the", 2) for its second occurrence, a slice, or a list of
        these; a word of several tokens is a row for each of them. Rows sum to 1. They sum to less if the model has learned
        sinks, and to 0 for a query whose keys are all masked.
        """
        record = self.layer_record(layer, stack)
        chosen = self.query_rows(rows, record, stack)
        return record.attention(_head(head, record), chosen)[0]

    def scores(self, layer: int, head: int, stack: str | None = None, rows: Rows = None) -> Float[Tensor, "query key"]:
        """Scores before the softmax, with scaling, soft cap, bias and mask applied: -inf for masked keys.

        `rows` is as in `attention`.
        """
        record = self._qk(layer, stack, "scores")
        return record.scores(_head(head, record), self.query_rows(rows, record, stack))[0]

    def q(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "query qk_dim"]:
        """Query vectors, after rotary embedding."""
        record = self._qk(layer, stack, "queries")
        return record.q[_head(head, record)][0].float().cpu()

    def k(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "key qk_dim"]:
        """Key vectors, after rotary embedding. The heads of a group share them (GQA)."""
        record = self._qk(layer, stack, "keys")
        return record.k[record.key_head(_head(head, record))][0].float().cpu()

    def v(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "key v_dim"]:
        """Value vectors. The heads of a group share them (GQA)."""
        record = self._qk(layer, stack, "values")
        return record.v[record.key_head(_head(head, record))][0].float().cpu()

    def rotary(self, layer: int, stack: str | None = None) -> Rotary | None:
        """The pairs of dimensions of q and k that rotate with the position (RoPE), and their wavelengths in tokens.

        None if the layer has no rotary embedding, or if it couldn't be determined.
        """
        self.layer_record(layer, stack)
        return self.traced_stack(stack).rotation(layer)

    def head_output(self, layer: int, head: int, stack: str | None = None) -> Float[Tensor, "query model_dim"]:
        """This head's part of the attention block's output: W_O applied to Σ_j α_ij v_j of this head alone.

        With gated attention, the gate is applied before W_O. The parts of a layer's heads sum to the block's output minus the
        projection's bias (Kobayashi 2020). Raises `UnsupportedError` if no single module maps the heads' outputs to the block's
        output (a norm in between, say).
        """
        record = self._qk(layer, stack, "head outputs")
        index = _head(head, record)
        projections = self.traced_stack(stack).projections
        module = projections[layer] if layer < len(projections) else None
        if module is None:
            raise UnsupportedError(
                f"The output of head {layer}.{head} is unknown: in this trace, no output projection (W_O) reads the "
                "attention of this layer directly."
            )
        heads, width = record.shape.heads, record.shape.v_dim
        own = record.passed_on(index, torch.arange(record.queries))[0]
        alone = torch.zeros(record.queries, heads * width)
        alone[:, head * width : (head + 1) * width] = own
        return projected(module, record, alone)

    @cached_property
    def logits(self) -> Float[Tensor, "token vocab"] | None:
        """The logits, computed from the final hidden states on first access; None for a model without an LM head."""
        return None if self._logits is None else self._logits()

    def logits_at(self, positions: Sequence[int]) -> Tensor | None:
        """The logits [position, vocab] at some positions only ([label] for a classifier), which takes less memory than `logits`.

        None for a trace without logits.

        :meta private:
        """
        if self._logits is None or "logits" in self.__dict__:
            found = self.logits
            return found if found is None or found.ndim < 2 else found[list(positions)]
        return self._logits(positions)

    @check_arguments(path=PATH, weights=FLAG)
    def save(self, path: str | os.PathLike[str], *, weights: bool = False) -> None:
        """Write the trace to a file (safetensors; read it with `attnscope.open`). If writing fails, no partial file is left.

        With `weights`, the file also holds the output projections (W_O), so that `head_output` works without the model.
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
        """Make a trace from attention weights of any origin: torch, NumPy, JAX or anything that NumPy can read.

        `attentions` holds an array [1, heads, tokens, tokens] or [heads, tokens, tokens] for each layer (the number of heads may
        vary), or None for a layer without attention. It can also be one array of all layers, or a mapping from layer numbers to
        arrays. `tokens` are the texts of the tokens; those from `sentence_b_start` on belong to sentence B. If you pass
        `key_tokens`, the queries (`tokens`) attend to these: [heads, tokens, key tokens]. A single head needs the shape
        [1, 1, tokens, tokens], because [1, tokens, tokens] is also what `nn.MultiheadAttention` returns as an average over heads.
        The attention that `generate` returns (one tuple of layers per step) is joined into one matrix per layer; `tokens` may
        then include the last generated token, which has no row and is dropped.

        For an encoder-decoder model, pass its three kinds of attention by name, as its outputs call them, with `encoder_tokens`
        and `decoder_tokens`: they become the stacks `encoder`, `decoder` and `cross`.

        `prettify_tokens` makes the tokenizer's marks readable (`Ġthe` becomes ` the`); otherwise tokens stay as they are. Raises
        `InputError` if shapes, number of tokens or values don't fit: each row must be a distribution or, with `partial_rows`
        (models with learned sinks), sum to at most 1.
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
                f"The {what} of layer {layer} are unknown: for this layer, the trace has only attention weights."
            )
        return record

    def query_rows(self, rows: Rows, record: LayerRecord, stack: str | None) -> Int[Tensor, "rows"]:
        """The queries of a layer that `rows` names: an index, a word, a slice or a list of these; None names all of them.

        :meta private:
        """
        listed = list(rows) if isinstance(rows, (list, tuple)) else []
        if not is_word(rows) and not any(is_word(one) for one in listed):
            return _numbered_rows(rows, record.queries)
        queries = self.tokens_for(stack)[0]
        if record.queries != len(queries):
            raise InputError(
                f"This layer has {record.queries} queries and the text {len(queries)} tokens, so a word doesn't name a row: pass "
                "indices."
            )
        found = resolve_each(rows, queries, "rows")
        return torch.tensor([index for span in found for index in span], dtype=torch.long)


def _head(head: int, record: LayerRecord) -> Tensor:
    if not is_index(head) or not 0 <= head < record.shape.heads:
        raise InputError(f"Head {head!r:.80} does not exist: this layer has heads 0 to {record.shape.heads - 1}.")
    return torch.tensor([head])


def _numbered_rows(rows: Any, queries: int) -> Tensor:
    if rows is None:
        return torch.arange(queries)
    try:
        if isinstance(rows, slice):
            return torch.tensor(range(queries)[rows], dtype=torch.long)
        chosen = torch.as_tensor(rows).reshape(-1)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"`rows` is an index, a word, a slice or a list of these; got {rows!r:.80}.") from error
    if chosen.numel() and (chosen.is_floating_point() or chosen.dtype == torch.bool):
        raise InputError(f"`rows` is an index, a word, a slice or a list of these; got {rows!r:.80}.")
    chosen = chosen.long()
    if len(chosen) and not (-queries <= int(chosen.min()) and int(chosen.max()) < queries):
        raise InputError(f"`rows` must lie between 0 and {queries - 1}; got {chosen.tolist()}.")
    return chosen % queries if queries else chosen
