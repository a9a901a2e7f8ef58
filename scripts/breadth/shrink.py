"""Shrink the config of any model type: few layers and small widths, while preserving the relations between its fields.

Fields are recognized by their names. All widths become the same number, so that fields that must agree (the width of a vision
tower's output and that of the text model) still do. Vocabularies keep their size, so that the ids of special tokens stay valid.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig

WIDTH, HEADS, HEAD_DIM, LAYERS, RANK, EXPERTS = 64, 4, 16, 2, 8, 4
MOST_LAYERS = 6
LARGEST_IMAGE = 448

_LAYERS = re.compile(
    r"(^|_)(num_(hidden_|encoder_|decoder_|self_attention_|global_|mel_attn_|temporal_|spatial_|auxiliary_|pooler_)?layers|n_layers?"
    r"|layers|num_layers|encoder_layers|decoder_layers|num_hidden_layers|depth|num_attention_layers|(l|x|r)_layers"
    r"|num_self_attends_per_block)$"
)
_NOT_LAYERS = re.compile(
    r"feat_extract|prenet|postnet|predictor|conv|adapter|lstm|iou_head|wavenet|separable|lqe|resampler_depth$^"
)
_KV_HEADS = re.compile(
    r"(^|_)(num_key_value_heads|num_kv_heads|num_key_value_attention_heads|swa_num_key_value_heads)$"
)
_HEADS = re.compile(
    r"(^|_)(num_attention_heads|num_heads|n_heads?|attention_heads|linear_num_(key|value)_heads|self_attn_heads|resampler_heads)$"
)
_HEAD_DIM = re.compile(
    r"(^|_)(head_dim|d_kv|d_head|attention_head_size|kv_channels|dim_head|v_head_dim|qk_nope_head_dim|attention_head_dim)$"
)
_RANK = re.compile(r"_lora_rank$")
_EXPERTS = re.compile(r"(^|_)(n_routed_experts|num_experts|num_local_experts|moe_num_experts)$")
_CHOSEN = re.compile(r"(^|_)(num_experts_per_tok(en)?|moe_topk|moe_k|top_k_experts)$")
_WIDTH = re.compile(
    r"(^|_)(hidden_size|hidden_dim|d_model|n_embd|embed_dim|emb_dim|embedding_size|embedding_dim|intermediate_size|ffn_dim"
    r"|d_ff|d_inner|mlp_dim|n_inner|projection_dim|project_dim|projection_size|dim|linear_units|dim_feedforward|feedforward_dim|true_hidden_size"
    r"|word_embed_proj_dim|expert_ffn_hidden_size|ffn_hidden_size|dim_ff|dff|proj_size|pooler_output_size|embed_hidden_size"
    r"|embeds_hidden_size|text_hidden_size|output_dim|units|intermediate_size_mlp|share_expert_dim|feed_forward_size|projector_input_dim"
    r"|projector_output_dim|output_proj_dims|image_token_embed_dim|lru_width|pair_hidden_size|latent_dim|d_latents"
    r"|feed_forward_hidden_size|attention_hidden_size|out_hidden_size|cross_hidden_size|hidden_size_global|hidden_size_per_layer_input"
    r"|adapter_input_size|adapter_(in|out)_dim)$"
)
_NOT_WIDTH = re.compile(
    r"head_dim|head_hidden|codebook_dim|vector_quant|mel_dim|act_dim|state_dim|bbox|query_dim|mel_in|rope|feat_dim|rotary|moe_dim|kernel_dim"
)

_REACH = {
    "sliding_window": 5,
    "sliding_window_size": 5,
    "attention_window_size": 5,
    "attention_chunk_size": 8,
    "local_attention": 6,
    "index_topk": 4,
    "index_kpool": 2,
    "attn_logit_softcapping": 1.0,
    "num_queries": 20,
}
"""Windows, caps and counts, small enough to have an effect on a dozen tokens."""


def shrunk(config: PreTrainedConfig, *, widths: bool = True) -> dict[str, Any]:
    """The fields of a small config of the same class. Without `widths`, only the number of layers is reduced."""
    fields = {name: value for name, value in vars(config).items() if not name.startswith("_")}
    new: dict[str, Any] = {}
    heads = _first(fields, _HEADS)
    for name, value in fields.items():
        if isinstance(value, PreTrainedConfig):
            small = shrunk(value, widths=widths)
            if (
                not {"num_hidden_layers", "num_layers"} & small.keys()
            ):  # all stages are kept, so the chosen ones are too
                small |= {"out_features": list(value.out_features)} if getattr(value, "out_features", None) else {}
            new[name] = {"model_type": value.model_type, **_switches(value), **small}
        elif isinstance(value, bool) or value is None:
            continue
        elif isinstance(value, int) and (small := _number(name, value, heads, widths=widths)) not in (None, value):
            new[name] = small
        elif name == "image_size":
            new[name] = _image(value)
    if widths:
        new |= {
            name: small
            for name, small in _REACH.items()
            if isinstance(fields.get(name), (int, float)) and fields[name] > small
        }
        new |= _latent(fields)
        new |= _rotary(config, fields)
        new |= _mamba(fields)
        new |= _state_space(fields)
        if "head_dim" in fields and fields["head_dim"] is None:
            new["head_dim"] = WIDTH // HEADS
        if isinstance(fields.get("rotary_dim"), int):
            new["rotary_dim"] = HEAD_DIM // 2
    return new | _lists(fields | _stages(fields) if widths else fields)


def _switches(config: PreTrainedConfig) -> dict[str, bool | int | float | str]:
    """The settings of a nested config that differ from the defaults of its class, from which it is recreated."""
    try:
        usual = vars(type(config)())
    except Exception:  # it has no defaults for all fields
        return {}
    return {
        name: value
        for name, value in vars(config).items()
        if isinstance(value, (bool, int, float, str)) and not name.startswith("_") and value != usual.get(name, value)
    }


def widest(config: PreTrainedConfig) -> int:
    """The largest hidden size in a config."""
    own = [
        v
        for n, v in vars(config).items()
        if n in ("hidden_size", "d_model", "n_embd", "embed_dim", "encoder_hidden_size") and isinstance(v, int)
    ]
    return max([*own, *(widest(one) for one in vars(config).values() if isinstance(one, PreTrainedConfig))], default=0)


def _first(fields: Mapping[str, Any], pattern: re.Pattern[str]) -> int | None:
    return next((v for n, v in fields.items() if pattern.search(n) and isinstance(v, int)), None)


def _number(name: str, value: int, heads: int | None, *, widths: bool) -> int | None:
    if _LAYERS.search(name) and not _NOT_LAYERS.search(name):
        return min(value, LAYERS)
    if name == "image_size":
        return min(value, LARGEST_IMAGE)
    if not widths:
        return None
    if _KV_HEADS.search(name):
        return 1 if value == 1 else HEADS if heads is None or value >= heads else HEADS // 2
    if _HEADS.search(name):
        return min(value, HEADS)
    if _HEAD_DIM.search(name) and value > 0:
        return HEAD_DIM
    if _RANK.search(name):
        return RANK
    if _EXPERTS.search(name):
        return min(value, EXPERTS)
    if _CHOSEN.search(name):
        return min(value, 2)
    if _WIDTH.search(name) and not _NOT_WIDTH.search(name) and value > 0:
        return WIDTH
    return None


def _image(value: Any) -> Any:
    if isinstance(value, int):
        return min(value, LARGEST_IMAGE)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [min(int(one), LARGEST_IMAGE) for one in value]
    return value


def _latent(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Multi-head latent attention: half of each head is rotary."""
    new: dict[str, Any] = {}
    if fields.get("qk_rope_head_dim"):
        new["qk_rope_head_dim"] = HEAD_DIM // 2
        if "qk_head_dim" in fields:
            new["qk_head_dim"] = HEAD_DIM + HEAD_DIM // 2
        if fields.get("head_dim") == fields["qk_rope_head_dim"]:
            new["head_dim"] = HEAD_DIM // 2
        rope = fields.get("rope_parameters")
        if isinstance(rope, Mapping) and rope.get("partial_rotary_factor") == 0.5:  # half of each head is rotary
            new |= {"qk_nope_head_dim": HEAD_DIM // 2, "qk_head_dim": HEAD_DIM}
    for name in ("n_group", "num_expert_group"):
        if isinstance(fields.get(name), int) and fields[name] > 1:
            new |= {name: 2, "topk_group": 1}
    return new


def _mamba(fields: Mapping[str, Any]) -> dict[str, Any]:
    """State-space layers: the heads together have the width of the expanded hidden state."""
    if not isinstance(fields.get("mamba_n_heads"), int):
        return {}
    wide = int(fields.get("mamba_expand", 2)) * WIDTH
    changed: dict[str, Any] = {"mamba_n_heads": HEADS, "mamba_d_head": wide // HEADS, "mamba_n_groups": 1}
    if fields.get("mamba_d_ssm"):
        changed["mamba_d_ssm"] = wide
    return changed


def _stages(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Stages that each double the width, and with it the number of heads."""
    if not isinstance(fields.get("embed_dim", fields.get("patch_embeds_hidden_size")), int):
        return {}
    listed = {name: fields.get(name) for name in ("num_heads", "num_attention_heads")}
    return {
        name: [HEADS * 2**i for i in range(len(value))]
        for name, value in listed.items()
        if isinstance(value, (list, tuple)) and list(value) == [value[0] * 2**i for i in range(len(value))]
    }


def _state_space(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Mamba 2 with its own field names: the heads together have the width of the expanded hidden state, in one group."""
    names = ("mamba_num_heads", "mamba_head_dim") if "mamba_num_heads" in fields else ("num_heads", "head_dim")
    if not all(isinstance(fields.get(name), int) for name in (*names, "expand", "conv_kernel", "n_groups")):
        return {}
    return {names[0]: HEADS, names[1]: int(fields["expand"]) * WIDTH // HEADS, "n_groups": 1}


def _rotary(config: PreTrainedConfig, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Sections of a head's dimensions (time, height, width) for the smaller head, if the model's code has sections."""
    rope = fields.get("rope_parameters")
    if not rope or not isinstance(rope, Mapping) or not _code_contains(config, "mrope_section"):
        return {}
    part = rope.get("partial_rotary_factor") or fields.get("partial_rotary_factor") or 1.0
    half = int(HEAD_DIM * part) // 2
    return {"rope_parameters": {**rope, "mrope_section": _sections(rope.get("mrope_section") or (16, 24, 24), half)}}


def _code_contains(config: PreTrainedConfig, word: str) -> bool:
    folder = Path(inspect.getfile(type(config))).parent
    return any(word in path.read_text(encoding="utf-8") for path in folder.glob("modeling_*.py"))


def _sections(sections: Sequence[int], total: int) -> list[int]:
    small = [max(1, one * total // sum(sections)) for one in sections]
    small[0] += total - sum(small)
    return small


def _lists(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Lists with an entry per layer, reduced to the remaining layers, chosen such that every kind of layer is among them."""
    depth = next(
        (fields[name] for name in ("num_hidden_layers", "n_layer", "num_layers") if isinstance(fields.get(name), int)),
        None,
    )
    if depth is None or depth <= LAYERS:
        return {}
    lists = {
        name: list(value)
        for name, value in fields.items()
        if isinstance(value, (list, tuple))
        and len(value) == depth
        and all(isinstance(one, (str, int, float)) for one in value)
    }
    if not lists:
        return {}
    kept = _representatives(
        [
            tuple(values[i] for name, values in lists.items() if name.endswith(("types", "type", "layers")))
            for i in range(depth)
        ]
    )
    changed: dict[str, Any] = {name: [values[i] for i in kept] for name, values in lists.items()}
    for name in ("num_hidden_layers", "n_layer", "num_layers"):
        if fields.get(name) == depth:
            changed[name] = len(kept)
    return changed


def _representatives(kinds: Sequence[object]) -> list[int]:
    """The indices of the first layer of each kind (at most `MOST_LAYERS`), filled up from the front to `LAYERS` + 1."""
    firsts = [i for i, kind in enumerate(kinds) if kind not in kinds[:i]][:MOST_LAYERS]
    more = [i for i in range(len(kinds)) if i not in firsts]
    return sorted(firsts + more[: max(0, LAYERS + 1 - len(firsts))])
