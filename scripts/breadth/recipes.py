"""What the generic builder cannot know of a type: fields of its config. Outcomes are never written here.

Fields under "whole" are given to the config class before anything is shrunk; the others to the small config.
"""

from __future__ import annotations

from typing import Any

_SMALL_VISION = {"hidden_size": 64}

FIELDS: dict[str, dict[str, Any]] = {
    "esm": {
        "whole": {"vocab_size": 33, "pad_token_id": 1, "mask_token_id": 32},
        "vocab_size": 33,
        "pad_token_id": 1,
        "mask_token_id": 32,
    },
    "bamba": {"attn_layer_indices": [1], "num_hidden_layers": 3},
    "granitemoehybrid": {"layer_types": ["mamba", "attention", "mamba"], "num_hidden_layers": 3},
    "jamba": {
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "num_hidden_layers": 3,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "deepseek_v2": {"num_experts_per_tok": 2, "moe_intermediate_size": 64},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
    "recurrent_gemma": {"num_hidden_layers": 3},
    "step3p5": {"sliding_window": 5},
    "zamba2": {
        "num_hidden_layers": 4,
        "layers_block_type": ["mamba", "hybrid", "mamba", "hybrid"],
        "hybrid_layer_ids": [1, 3],
        "num_key_value_heads": 4,
        "mamba_d_state": 8,
        "n_mamba_heads": 4,
        "mamba_ngroups": 1,
        "mamba_expand": 2,
        "mamba_headdim": 32,
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "use_mem_rope": True,
        "adapter_rank": 4,
    },
    "step3p7": {"text_config": {"sliding_window": 5}},
    "nemotron": {"num_key_value_heads": 2},
    "paligemma": {"text_config": {"num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 16}},
    "gemma3n_text": {
        "num_hidden_layers": 4,
        "num_kv_shared_layers": 0,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "activation_sparsity_pattern": [0.0] * 4,
        "intermediate_size": 64,
    },
    "ernie4_5_vl_moe_text": {
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [3, 3, 2]}
    },
}
