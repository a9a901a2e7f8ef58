"""The attention function that transformers calls in every layer of a prepared model, and which keeps what it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable
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
from attnscope.capture.clone import FOR_EAGER_ONLY
from attnscope.capture.pass_options import CACHES
from attnscope.capture.recorder import Capture, Recorder, as_float
from attnscope.capture.scores import scores_of
from attnscope.capture.sparse import chosen_only, names_keys
from attnscope.edits.apply import Layer, Outcome
from attnscope.errors import UnsupportedError

NAME = "attnscope"
"""The name under which the function is registered with transformers."""

EAGER_UP_TO = 1024
"""Above so many keys soft caps and sinks are computed by rows here, not by the module's eager function."""

ACTIVE: ContextVar[Recorder | None] = ContextVar("attnscope_recorder", default=None)
"""The recorder of the pass that runs in this context (thread)."""

_UNDERSTOOD = frozenset({"softcap", "s_aux", "position_bias"})
"""Arguments that change the attention and that a `QKRecord` can express."""

_HARMLESS = frozenset(
    {
        # of the interface itself
        "dropout", "scaling", "is_causal", "attention_mask",
        # said by the mask as well
        "sliding_window", "block_sequence_ids",
        # about positions, caches and outputs: nothing that an attention function computes with
        "position_ids", "cache_position", "past_key_values", "past_key_value", "use_cache", "layer_idx", "seq_idx",
        "output_attentions", "output_hidden_states", "output_router_logits", "return_dict", "logits_to_keep",
        "position_embeddings", "deterministic", "token_type_ids", "labels", "inputs_embeds", "num_items_in_batch",
        # lengths that flash kernels want for unpadded batches, which are never used here
        "cu_seq_lens_q", "cu_seq_lens_k", "cu_seqlens", "max_length_q", "max_length_k", "max_seqlen", "target_dtype",
        "preserve_rng_state",
    }
)  # fmt: skip

_REFUSED = frozenset({"indices", "block_indices", "cache"})
"""Arguments under which a layer attends to a selection of keys that its mask does not tell."""


@dataclass(frozen=True)
class _Call:
    """What the attention function was given in one layer."""

    module: nn.Module
    query: Tensor
    key: Tensor
    value: Tensor
    mask: Tensor | None
    options: dict[str, Any]

    def alone(self, row: int) -> _Call:
        """The call of one row of the batch."""
        part = slice(row, row + 1)
        mask = self.mask if self.mask is None or self.mask.shape[0] == 1 else self.mask[part]
        bias = self.options.get("position_bias")
        options = self.options if bias is None or bias.shape[0] == 1 else {**self.options, "position_bias": bias[part]}
        return _Call(self.module, self.query[part], self.key[part], self.value[part], mask, options)

    @property
    def given(self) -> set[str]:
        """The names of the options that say something; not an ordinary cache, which the keys already include."""
        told = {name for name, option in self.options.items() if option is not None and option is not False}
        return told - {name for name in CACHES if isinstance(self.options.get(name), Cache)}

    @property
    def causal(self) -> bool:
        """Whether a mask that is not there means a causal one, by the rule of transformers' sdpa."""
        said = self.options.get("is_causal")
        says_so = said if said is not None else getattr(self.module, "is_causal", True)
        return self.mask is None and self.query.shape[2] > 1 and bool(says_so)


def captured_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute a layer's attention with the kernel that suits it, edited where asked, and keep what it was computed from.

    Shapes as transformers passes them: query [batch, heads, queries, qk_dim], key and value [batch, kv_heads, keys, dim],
    mask [batch, heads or 1, queries, keys]. Returns the output [batch, queries, heads, v_dim] and, as sdpa, no weights.
    """
    recorder = ACTIVE.get()
    if recorder is None:
        raise UnsupportedError(
            f"The attention implementation {NAME!r} works only inside a pass that attnscope runs. Leave your model's own "
            "implementation in place and call `Model.trace`."
        )
    recorder.check_cancelled()
    if query.ndim != 4 or key.ndim != 4 or value.ndim != 4:
        raise UnsupportedError(
            f"{type(module).__name__} asks for attention with queries of shape {list(query.shape)}, which are not those of "
            "[batch, heads, queries, dim], so it is not shown."
        )
    if recorder.keeps and query.shape[0] != 1:
        raise UnsupportedError(
            f"{type(module).__name__} asks for the attention of {query.shape[0]} groups of positions at once (several inputs, or "
            "windows that an image is cut into), and a trace shows one list of positions that look at each other."
        )
    continues = recorder.continues(module, query)
    name, place = recorder.arrive(module, continues=continues)
    layer = recorder.edits_at(name, place, query.shape[2], key.shape[2])
    if continues and layer is not None:
        raise UnsupportedError(
            f"{name} computes its attention part by part for this input, and such a layer is not edited."
        )
    q, k, v = (query, key, value) if layer is None else layer.scaled(query, key, value)
    call = _with_chosen_keys(_Call(module, q, k, v, attention_mask, options))
    if not recorder.keeps:
        output = _output(recorder, call, None)
        recorder.last_query, recorder.last_module = query, module
        return (output if layer is None else _edited(recorder, call, layer, output, Outcome(), None)[1]), None
    if recorder.keep_weights:
        output, weights = _eager(recorder, call)
        if weights is None or weights.ndim != 4:
            raise UnsupportedError(f"The eager attention of {type(module).__name__} does not return its weights.")
        record: QKRecord | WeightsRecord = WeightsRecord(weights[0].detach().float())
    else:
        record = _record(recorder, call)
        output = _output(recorder, call, record)
    attended = output
    if layer is not None:
        outcome = Outcome()
        attended, output = _edited(recorder, call, layer, output, outcome, record)
        if isinstance(record, QKRecord):
            record = replace(record, edited=outcome.edited(record.queries, record.keys, record.shape.v_dim))
    rows = recorder.sampled_rows(query.shape[2])
    recorder.add(
        Capture(
            module=module,
            name=name,
            record=record,
            causal=call.causal or (isinstance(record, QKRecord) and _looks_back_only(record.mask)),
            rows=rows,
            output=attended[0, rows.to(attended.device)].detach().float().cpu(),
            values=v[0].detach() if recorder.keep_weights else None,
            refusal=_refusal(call, again=query is recorder.last_query),
            place=place,
            continues=continues,
        ),
        output,
    )
    recorder.last_query, recorder.last_module = query, module
    return output, None


def _with_chosen_keys(call: _Call) -> _Call:
    """The call with a choice of keys as a part of its mask, where it is told query by query."""
    indices, keys = call.options.get("indices"), call.key.shape[2]
    if not names_keys(indices, call.query.shape[2], keys):
        return call
    mask = chosen_only(call.mask, call.options["indices"], keys, causal=call.causal)
    return replace(call, mask=mask, options={**call.options, "indices": None})


def _edited(
    recorder: Recorder, call: _Call, layer: Layer, output: Tensor, outcome: Outcome, record: LayerRecord | None
) -> tuple[Tensor, Tensor]:
    """The output after the edits of weights, and after those of the heads' outputs as well."""
    strange = call.given - _HARMLESS - _UNDERSTOOD
    if layer.plan.weights and (strange or recorder.keep_weights):
        because = f"through {', '.join(sorted(strange))}" if strange else "in a way of its own"
        raise UnsupportedError(
            f"{type(call.module).__name__} computes its attention {because}, so single weights of it cannot be edited exactly."
        )
    scores = scores_of(call.query, call.key, call.mask, call.options, causal=call.causal)

    def own(row: int) -> QKRecord | None:
        """The call's own record before edits of weights; None where it has none."""
        if strange or recorder.keep_weights:
            return None
        return record if row == 0 and isinstance(record, QKRecord) else _record(recorder, call.alone(row))

    attended = layer.reweighted(output, call.value, scores, own, outcome)
    recorder.notes.update(dict.fromkeys(outcome.notes))
    return attended, layer.replaced(attended, own, outcome)


def _output(recorder: Recorder, call: _Call, record: QKRecord | None) -> Tensor:
    special = call.given - _HARMLESS - {"position_bias"}
    if not special:
        attend: Any = sdpa_attention_forward
        return attend(call.module, call.query, call.key, call.value, call.mask, **call.options)[0]
    if record is not None and special <= _UNDERSTOOD and call.key.shape[2] > EAGER_UP_TO:
        return _by_rows(record, call.query.dtype)
    return _eager(recorder, call)[0]


def _eager(recorder: Recorder, call: _Call) -> tuple[Tensor, Tensor | None]:
    """The module's own eager function, with the additive mask that it expects."""
    forward = _eager_of(call.module)
    if forward is None:
        raise UnsupportedError(f"{type(call.module).__name__} has no eager attention function that could be asked.")
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
        symbolic, bias = recorder.described(call.mask.expand(-1, -1, queries, keys))  # one row may stand for all
    else:
        symbolic = Mask.causal(queries, keys) if call.causal else Mask.full(queries, keys)
    position_bias = call.options.get("position_bias")
    if position_bias is not None:
        if bias is not None:
            raise UnsupportedError(
                "This layer has one bias in its mask and one of its positions, which is not understood."
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
    """The tensors without strangers' memory: a view of a fused projection is copied unless all of it is kept anyway."""
    needed: dict[int, int] = {}
    for part in parts:
        storage = part.untyped_storage().data_ptr()
        needed[storage] = needed.get(storage, 0) + part.numel() * part.element_size()
    return [
        part if needed[(storage := part.untyped_storage()).data_ptr()] >= 0.95 * storage.nbytes() else part.clone()
        for part in parts
    ]


def _by_rows(record: QKRecord, dtype: torch.dtype) -> Tensor:
    """The exact output [1, queries, heads, v_dim] in float32 arithmetic, some rows at a time."""
    heads = torch.arange(record.shape.heads)
    parts = [record.output(heads, rows).transpose(0, 1) for rows in torch.arange(record.queries).split(ROWS_AT_ONCE)]
    return torch.cat(parts)[None].to(dtype=dtype, device=record.q.device).contiguous()


def _looks_back_only(mask: Mask) -> bool:
    """Whether no query sees a key after itself: what makes a stack a decoder."""
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


def _refusal(call: _Call, *, again: bool) -> str | None:
    if again:
        return (
            f"{type(call.module).__name__} asks for the attention of the same queries several times in one layer and combines "
            "the answers, which no single weight shows, so its attention is not shown."
        )
    sparse = call.given & _REFUSED
    if not sparse:
        return None
    return (
        f"{type(call.module).__name__} chooses its keys through {', '.join(sorted(sparse))}, which attnscope cannot "
        "express, so its attention is not shown."
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
