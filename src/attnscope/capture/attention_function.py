"""The attention function that transformers calls in every layer of a prepared model; it records its own inputs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, Cache
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from attnscope.attention import Bias, LayerRecord, Mask, QKRecord, WeightsRecord
from attnscope.attention.record import ROWS_AT_ONCE
from attnscope.capture.call_sites import Place
from attnscope.capture.clone import FOR_EAGER_ONLY
from attnscope.capture.pass_options import CACHES
from attnscope.capture.recorder import Capture, Recorder, as_float
from attnscope.capture.scores import scores_of
from attnscope.capture.sparse import is_key_selection, mask_to_selection
from attnscope.capture.virtual_tokens import with_empty_rows
from attnscope.edits.apply import Layer, Outcome
from attnscope.errors import UnsupportedError

NAME = "attnscope"
"""The name under which this function is registered with transformers."""

EAGER_UP_TO = 1024
"""With more keys than this, soft caps and sinks are computed here in chunks of rows, not by the module's eager function."""

ACTIVE: ContextVar[Recorder | None] = ContextVar("attnscope_recorder", default=None)
"""The recorder of the forward pass that runs in this context (thread)."""

_UNDERSTOOD = frozenset({"softcap", "s_aux", "position_bias"})
"""Arguments that change the attention and that a `QKRecord` can express."""

_HARMLESS = frozenset(
    {
        # part of the interface itself
        "dropout", "scaling", "is_causal", "attention_mask",
        # already contained in the mask
        "sliding_window", "block_sequence_ids",
        # about positions, caches and outputs; an attention function does not compute with them
        "position_ids", "cache_position", "past_key_values", "past_key_value", "use_cache", "layer_idx", "seq_idx",
        "output_attentions", "output_hidden_states", "output_router_logits", "return_dict", "logits_to_keep",
        "position_embeddings", "deterministic", "token_type_ids", "labels", "inputs_embeds", "num_items_in_batch",
        # lengths that flash kernels need for unpadded batches, which attnscope never uses
        "cu_seq_lens_q", "cu_seq_lens_k", "cu_seqlens", "max_length_q", "max_length_k", "max_seqlen", "target_dtype",
        "preserve_rng_state",
    }
)  # fmt: skip

_SPARSE = frozenset({"indices", "block_indices", "cache"})
"""Arguments that select the keys of a layer without showing the selection in its mask."""


NO_PREFIX_EDITS = "attnscope cannot edit the attention of a model with prefix tuning."


def no_single_weights(name: str, how: str) -> str:
    """Why single attention weights cannot be edited: `name` is that of a class, `how` it computes attention ("with …")."""
    return f"{name} computes its attention {how}, so attnscope cannot edit single attention weights exactly."


@dataclass(frozen=True)
class _Call:
    """The arguments that the attention function received in one layer."""

    module: nn.Module
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    options: dict[str, Any]

    def batch_row(self, row: int) -> _Call:
        """This call for a single row of the batch."""
        part = slice(row, row + 1)
        mask = self.mask if self.mask is None or self.mask.shape[0] == 1 else self.mask[part]
        bias = self.options.get("position_bias")
        options = self.options if bias is None or bias.shape[0] == 1 else {**self.options, "position_bias": bias[part]}
        return _Call(self.module, self.query[part], self.key[part], self.value[part], mask, options)

    @property
    def options_set(self) -> set[str]:
        """The names of the options that are neither None nor False, except an ordinary cache, which the keys already include."""
        found = {name for name, option in self.options.items() if option is not None and option is not False}
        return found - {name for name in CACHES if isinstance(self.options.get(name), Cache)}

    @property
    def causal(self) -> bool:
        """Whether a missing mask means a causal mask, by the rule of transformers' sdpa function."""
        option = self.options.get("is_causal")
        is_causal = option if option is not None else getattr(self.module, "is_causal", True)
        return self.mask is None and self.query.shape[2] > 1 and bool(is_causal)


def captured_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute and record a layer's attention, with the edits of the active recorder applied.

    The arguments have the shapes that transformers passes: query [batch, heads, queries, qk_dim], key and value [batch,
    kv_heads, keys, dim], mask [batch, heads or 1, queries, keys].

    Returns the output [batch, queries, heads, v_dim] and, like sdpa, None in place of the weights. Raises
    `UnsupportedError` outside a pass that attnscope runs, and where the attention cannot be recorded or edited exactly.
    """
    recorder = ACTIVE.get()
    if recorder is None:
        raise UnsupportedError(
            f"The attention implementation {NAME!r:.300} works only inside a forward pass that attnscope runs. Keep "
            "your model's own implementation and call `Model.trace`."
        )
    recorder.check_cancelled()
    _check_shapes(recorder, module, query, key, value)
    continues = recorder.continues(module, query)
    name, place = recorder.arrive(module, continues=continues)
    layer = recorder.edits_at(name, place, query.shape[2], key.shape[2])
    if recorder.virtual and layer is not None:
        raise UnsupportedError(NO_PREFIX_EDITS)
    if recorder.rows > 1 and (continues or options.get("indices") is not None):
        raise UnsupportedError(
            f"{name} computes its attention in a way that attnscope records for one input at a time."
        )
    if continues and layer is not None:
        raise UnsupportedError(
            f"{name} computes its attention in several parts for this input, and attnscope cannot edit such a layer."
        )
    q, k, v = (query, key, value) if layer is None else layer.scaled(query, key, value)
    call = _with_sparse_keys(_Call(module, q, k, v, attention_mask, options))
    if not recorder.keeps:
        recorder.last_query, recorder.last_module = query, module
        return _unrecorded(recorder, call, layer, place, continues=continues), None
    arrival = _Arrival(name, place, layer, continues=continues, repeated=query is recorder.last_query)
    rows = [call] if recorder.rows == 1 else [call.batch_row(row) for row in range(recorder.rows)]
    if recorder.keep_weights:
        output, weights = _eager(recorder, call)
        if weights is None or weights.ndim != 4:
            raise UnsupportedError(
                f"The eager attention function of {type(module).__name__} does not return its weights."
            )
        records: list[LayerRecord] = [WeightsRecord(one.detach().float()) for one in weights]
    else:
        records = [_record(recorder, one) for one in rows]
        output = _output(recorder, call, records)
    captures: list[Capture] = []
    outputs: list[Tensor] = []
    for row, (one, record) in enumerate(zip(rows, records, strict=True)):
        capture, own = _captured_row(recorder, row, one, arrival, output[row : row + 1], record)
        captures.append(capture)
        outputs.append(own)
    if layer is not None:
        output = outputs[0] if len(outputs) == 1 else torch.cat(outputs)
    recorder.add_rows(captures, output)
    recorder.last_query, recorder.last_module = query, module
    return output, None


def _check_shapes(recorder: Recorder, module: nn.Module, query: Tensor, key: Tensor, value: Tensor) -> None:
    """Raise `UnsupportedError` unless these are the tensors of as many sequences as the recorder expects."""
    if query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        raise UnsupportedError(
            f"{type(module).__name__} calls attention with queries of shape {list(query.shape)} where attnscope "
            "expects [batch, heads, queries, dim], so it cannot show this attention."
        )
    if recorder.keeps and query.shape[0] != recorder.rows:
        raise UnsupportedError(
            f"{type(module).__name__} computes attention for {query.shape[0]} groups of positions at once "
            "(several inputs, or windows of an image). A trace shows a single sequence whose positions attend to "
            "each other."
        )


@dataclass(frozen=True)
class _Arrival:
    """Which layer made a call, and how: in several parts, or again with the same queries."""

    name: str
    place: Place | None
    layer: Layer | None
    continues: bool
    repeated: bool


def _captured_row(
    recorder: Recorder, row: int, call: _Call, arrival: _Arrival, output: Tensor, record: LayerRecord
) -> tuple[Capture, Tensor]:
    """What is kept of a call for one row of the batch, and its output with the edits applied."""
    attended = output
    if arrival.layer is not None:
        outcome = Outcome()
        attended, output = _apply_edits(recorder, call, arrival.layer, output, outcome, record)
        recorder.by_row[row].notes.update(dict.fromkeys(outcome.notes))
        if isinstance(record, QKRecord):
            record = replace(record, edited=outcome.edited(record.queries, record.keys, record.shape.v_dim))
    sampled = recorder.sampled_rows(call.query.shape[2])
    virtual = recorder.virtual if record.keys == record.queries + recorder.virtual else 0
    if virtual and isinstance(record, (QKRecord, WeightsRecord)):
        record = with_empty_rows(record, virtual)
    capture = Capture(
        module=call.module,
        name=arrival.name,
        record=record,
        causal=call.causal or (isinstance(record, QKRecord) and _is_causal(record.mask)),
        rows=sampled + virtual,
        output=attended[0, sampled.to(attended.device)].detach().float().cpu(),
        values=call.value[0].detach() if recorder.keep_weights else None,
        unsupported=_why_unsupported(call, repeated=arrival.repeated),
        place=arrival.place,
        continues=arrival.continues,
    )
    return capture, output


def _unrecorded(
    recorder: Recorder, call: _Call, layer: Layer | None, place: Place | None, *, continues: bool
) -> Tensor:
    """The output of a call that is not recorded, after its edits and with what the recorder's tap changes."""
    tap = None if place is None or not place.shown else recorder.tap
    if tap is not None and continues:
        raise UnsupportedError(
            f"{type(call.module).__name__} computes its attention in several parts for this input, so attnscope cannot change or "
            "differentiate it."
        )
    if tap is not None and place is not None:
        call = replace(call, value=tap.value(place, call.value))
    output = _output(recorder, call, None)
    if layer is not None:
        outcome = Outcome()
        output = _apply_edits(recorder, call, layer, output, outcome, None)[1]
        recorder.notes.update(dict.fromkeys(outcome.notes))
    return output if tap is None or place is None else tap.output(place, output, call.value)


def _with_sparse_keys(call: _Call) -> _Call:
    """Merge a sparse selection of keys into the mask, if the call lists the selected keys of each query."""
    indices, keys = call.options.get("indices"), call.key.shape[2]
    if not is_key_selection(indices, call.query.shape[2], keys):
        return call
    mask = mask_to_selection(call.mask, call.options["indices"], keys, causal=call.causal)
    return replace(call, mask=mask, options={**call.options, "indices": None})


def _apply_edits(
    recorder: Recorder, call: _Call, layer: Layer, output: Tensor, outcome: Outcome, record: LayerRecord | None
) -> tuple[Tensor, Tensor]:
    """Return the output after edits of attention weights, and after edits of head outputs as well."""
    unknown = call.options_set - _HARMLESS - _UNDERSTOOD
    if layer.plan.weights and (unknown or recorder.keep_weights):
        reason = f"with {', '.join(sorted(unknown))}" if unknown else "with its own formula"
        raise UnsupportedError(no_single_weights(type(call.module).__name__, reason))
    scores = scores_of(call.query, call.key, call.mask, call.options, causal=call.causal)

    def own(row: int) -> QKRecord | None:
        """The record of one batch row before edits of weights; None if the call has no record."""
        if unknown or recorder.keep_weights:
            return None
        return record if row == 0 and isinstance(record, QKRecord) else _record(recorder, call.batch_row(row))

    attended = layer.reweighted(output, call.value, scores, own, outcome)
    return attended, layer.replaced(attended, own, outcome)


def _output(recorder: Recorder, call: _Call, records: Sequence[LayerRecord] | None) -> Tensor:
    """The output of the model's own attention function. `records` are those of the rows of the batch, if they are kept."""
    special = call.options_set - _HARMLESS - {"position_bias"}
    if not special:
        attend: Any = sdpa_attention_forward
        return attend(call.module, call.query, call.key, call.value, call.mask, **call.options)[0]
    if records is not None and special <= _UNDERSTOOD and call.key.shape[2] > EAGER_UP_TO:
        return torch.cat([_by_rows(one, call.query.dtype) for one in records if isinstance(one, QKRecord)])
    return _eager(recorder, call)[0]


def _eager(recorder: Recorder, call: _Call) -> tuple[Tensor, Tensor | None]:
    """Call the module's own eager attention function, with the additive mask that it expects."""
    forward = _eager_of(call.module)
    if forward is None:
        raise UnsupportedError(f"{type(call.module).__name__} has no eager attention function to fall back on.")
    mask, query = call.mask, call.query
    if mask is not None and mask.dtype == torch.bool:
        mask = as_float(mask, query.dtype)
    elif call.causal:
        mask = recorder.causal_float(query.shape[2], call.key.shape[2], query.dtype, query.device)
    return forward(call.module, query, call.key, call.value, mask, **call.options)


def _eager_of(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor | None]] | None:
    for kind in type(module).__mro__:
        source = sys.modules.get(kind.__module__)
        found = getattr(source, "eager_attention_forward", None)
        if found is not None:
            return found
    return None


def _record(recorder: Recorder, call: _Call) -> QKRecord:
    queries, keys = call.query.shape[2], call.key.shape[2]
    bias: Bias | None = None
    if call.mask is not None:
        # a single row may apply to all queries
        symbolic, bias = recorder.described(call.mask.expand(-1, -1, queries, keys))
    else:
        symbolic = Mask.causal(queries, keys) if call.causal else Mask.full(queries, keys)
    position_bias = call.options.get("position_bias")
    if position_bias is not None:
        if bias is not None:
            raise UnsupportedError(
                "This layer has two attention biases, one in its mask and one for its positions. attnscope "
                "supports only one."
            )
        bias = Bias.fit(position_bias[0, :, -queries:, :keys].expand(-1, queries, keys))
    sinks, scaling = call.options.get("s_aux"), call.options.get("scaling")
    q, k, v = _owned(call.query[0].detach(), call.key[0].detach(), call.value[0].detach())
    return QKRecord(
        q=q,
        k=k,
        v=v,
        scaling=float(scaling) if scaling is not None else call.query.shape[-1] ** -0.5,
        mask=symbolic,
        softcap=call.options.get("softcap"),
        bias=bias,
        sinks=None if sinks is None else sinks.detach().reshape(-1).float().cpu(),
    )


def _owned(*parts: Tensor) -> list[Tensor]:
    """Copy tensors that are views of a larger storage (a fused projection), unless nearly all of that storage is kept."""
    needed: dict[int, int] = {}
    for part in parts:
        storage = part.untyped_storage().data_ptr()
        needed[storage] = needed.get(storage, 0) + part.numel() * part.element_size()
    return [
        part if needed[(storage := part.untyped_storage()).data_ptr()] >= 0.95 * storage.nbytes() else part.clone()
        for part in parts
    ]


def _by_rows(record: QKRecord, dtype: torch.dtype) -> Tensor:
    """Compute the exact output [1, queries, heads, v_dim] in float32, in chunks of rows."""
    heads = torch.arange(record.shape.heads)
    parts = [record.output(heads, rows).transpose(0, 1) for rows in torch.arange(record.queries).split(ROWS_AT_ONCE)]
    return torch.cat(parts)[None].to(dtype=dtype, device=record.q.device).contiguous()


def _is_causal(mask: Mask) -> bool:
    """Whether no query attends to a later key; this is what makes a stack a decoder."""
    if mask.kind == "causal" or (mask.kind == "window" and not mask.symmetric):
        return mask.queries > 1
    if mask.queries < 2 or mask.queries != mask.keys:
        return False
    rows = torch.arange(mask.queries)
    if mask.bits is None:
        return bool((mask.hi <= rows + 1).all())
    later_bytes = torch.arange(mask.bits.shape[-1]) > (rows >> 3)[:, None]
    later_bits = mask.bits[:, rows, rows >> 3].int() >> ((rows & 7) + 1)
    return not (bool(mask.bits[:, later_bytes].any()) or bool(later_bits.any()))


def _why_unsupported(call: _Call, *, repeated: bool) -> str | None:
    """Why this call cannot be shown; None if it can."""
    if repeated:
        return (
            f"{type(call.module).__name__} computes attention several times for the same queries in one layer and "
            "combines the results. No single weight matrix shows that, so attnscope cannot show its attention."
        )
    sparse = call.options_set & _SPARSE
    if not sparse:
        return None
    return (
        f"{type(call.module).__name__} selects keys with {', '.join(sorted(sparse))}, which attnscope cannot "
        "express, so it cannot show this attention."
    )


def captured_as_eager(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """`captured_attention` for models that only know eager attention: their masks are complete, and no mask hides no key."""
    return captured_attention(module, query, key, value, attention_mask, **{**options, "is_causal": False})


AttentionInterface.register(NAME, captured_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
AttentionInterface.register(FOR_EAGER_ONLY[NAME], captured_as_eager)
AttentionMaskInterface.register(FOR_EAGER_ONLY[NAME], eager_mask)
