"""The attention function that transformers calls in every layer of a prepared model, and which keeps what it is given."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from attnscope.attention import Bias, Mask, QKRecord, WeightsRecord
from attnscope.attention.record import ROWS_AT_ONCE
from attnscope.capture.recorder import Capture, Recorder, as_float
from attnscope.errors import RefusedError

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


def captured_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *args: Any,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Compute a layer's attention with the kernel that suits it and keep q, k, v and a description of the rest.

    Shapes as transformers passes them: query [batch, heads, queries, qk_dim], key and value [batch, kv_heads, keys, dim],
    mask [batch, heads or 1, queries, keys]. Returns the output [batch, queries, heads, v_dim] and, as sdpa, no weights.
    """
    recorder = ACTIVE.get()
    if recorder is None:
        raise RefusedError(
            f"The attention implementation {NAME!r} works only inside a pass that attnscope runs. Leave your model's own "
            "implementation in place and call `Model.trace`."
        )
    recorder.check_cancelled()
    for name, value_ in zip(("dropout", "scaling"), args, strict=False):
        kwargs.setdefault(name, value_)
    if query.shape[0] != 1:
        raise RefusedError(f"A pass is captured for one input at a time; got a batch of {query.shape[0]}.")
    given = {name for name, argument in kwargs.items() if argument is not None and argument is not False}
    causal = attention_mask is None and query.shape[2] > 1 and _is_causal(module, kwargs)
    if recorder.keep_weights:
        output, weights = _eager(recorder, module, query, key, value, attention_mask, causal, kwargs)
        if weights is None or weights.ndim != 4:
            raise RefusedError(f"The eager attention of {type(module).__name__} does not return its weights.")
        record: QKRecord | WeightsRecord = WeightsRecord(weights[0].detach().float())
    else:
        record = _record(recorder, query, key, value, attention_mask, causal, kwargs)
        output = _output(recorder, module, query, key, value, attention_mask, causal, kwargs, given, record)
    rows = recorder.sampled_rows(query.shape[2])
    recorder.add(
        Capture(
            module=module,
            name=recorder.names.get(id(module), type(module).__name__),
            record=record,
            causal=causal or (isinstance(record, QKRecord) and _looks_back_only(record.mask)),
            rows=rows,
            output=output[0, rows.to(output.device)].detach().float().cpu(),
            values=value[0].detach() if recorder.keep_weights else None,
            refusal=_refusal(module, given),
        ),
        output,
    )
    return output, None


def _output(
    recorder: Recorder,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    kwargs: dict[str, Any],
    given: set[str],
    record: QKRecord,
) -> Tensor:
    special = given - _HARMLESS - {"position_bias"}
    if not special:
        return sdpa_attention_forward(module, query, key, value, mask, **kwargs)[0]
    if special <= _UNDERSTOOD and key.shape[2] > EAGER_UP_TO:
        return _by_rows(record, query.dtype)
    return _eager(recorder, module, query, key, value, mask, causal, kwargs)[0]


def _eager(
    recorder: Recorder,
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    kwargs: dict[str, Any],
) -> tuple[Tensor, Tensor | None]:
    """The module's own eager function, with the additive mask that it expects."""
    forward = _eager_of(module)
    if forward is None:
        raise RefusedError(f"{type(module).__name__} has no eager attention function that could be asked.")
    if mask is not None and mask.dtype == torch.bool:
        mask = as_float(mask, query.dtype)
    elif mask is None and causal:
        mask = recorder.causal_float(query.shape[2], key.shape[2], query.dtype, query.device)
    return forward(module, query, key, value, mask, **kwargs)


def _eager_of(module: nn.Module) -> Callable[..., tuple[Tensor, Tensor | None]] | None:
    for kind in type(module).__mro__:
        source = sys.modules.get(kind.__module__)
        found = getattr(source, "eager_attention_forward", None)
        if found is not None:
            return found
    return None


def _record(
    recorder: Recorder,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    causal: bool,
    kwargs: dict[str, Any],
) -> QKRecord:
    queries, keys = query.shape[2], key.shape[2]
    scaling = kwargs.get("scaling")
    bias: Bias | None = None
    if mask is not None:
        symbolic, bias = recorder.described(mask)
    else:
        symbolic = Mask.causal(queries, keys) if causal else Mask.full(queries, keys)
    position_bias = kwargs.get("position_bias")
    if position_bias is not None:
        if bias is not None:
            raise RefusedError(
                "This layer has a bias in its mask and one of its positions; that is not understood yet."
            )
        bias = Bias.fit(position_bias[0, :, -queries:, :keys].expand(-1, queries, keys))
    sinks = kwargs.get("s_aux")
    q, k, v = _owned(query[0].detach(), key[0].detach(), value[0].detach())
    return QKRecord(
        q=q,
        k=k,
        v=v,
        scaling=float(scaling) if scaling is not None else query.shape[-1] ** -0.5,
        mask=symbolic,
        softcap=kwargs.get("softcap"),
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


def _is_causal(module: nn.Module, kwargs: dict[str, Any]) -> bool:
    said = kwargs.get("is_causal")
    return bool(said if said is not None else getattr(module, "is_causal", True))


def _looks_back_only(mask: Mask) -> bool:
    """Whether no query sees a key after itself: what makes a stack a decoder."""
    if mask.kind == "causal" or (mask.kind == "window" and not mask.symmetric):
        return mask.queries > 1
    if mask.bits is not None or mask.queries < 2 or mask.queries != mask.keys:
        return False
    return bool((mask.hi <= torch.arange(1, mask.queries + 1)).all())


def _refusal(module: nn.Module, given: set[str]) -> str | None:
    sparse = given & _REFUSED
    if not sparse:
        return None
    return (
        f"{type(module).__name__} chooses its keys through {', '.join(sorted(sparse))}, which attnscope cannot express, "
        "so its attention is not shown."
    )


AttentionInterface.register(NAME, captured_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
