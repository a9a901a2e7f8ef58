"""Config fields that the generic builder cannot derive for a type. Outcomes are never written here.

Fields under "whole" are passed to the config class before shrinking; the others are passed to the small config.
"""

from __future__ import annotations

from typing import Any

_SMALL_VISION = {"hidden_size": 64}

_INDEXER = {
    "indexer_n_heads": 2,
    "indexer_kv_heads": 1,
    "indexer_head_dim": 16,
    "indexer_budget": 8,
    "indexer_compress_ratio": 2,
    "num_key_value_heads": 2,
}
_BY_LAYER_TYPE = {"full_attention": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]}}

_EXPERTS = {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 64}
_DENSE_AND_SPARSE = {
    "mlp_layer_types": ["dense", "sparse"],
    "n_routed_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 64,
}
_FOUR_LAYERS = {
    "image_size": 112,
    "num_hidden_layers": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
    "out_indices": [1, 2, 3, 4],
}

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
    "ernie4_5_vl_moe": {
        "text_config": {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [3, 3, 2]}}
    },
    "dbrx": {"attn_config": {"kv_n_heads": 2, "rope_theta": 10000.0, "clip_qkv": 8.0}},
    "dots1": {"n_routed_experts": 4, "n_shared_experts": 1, "num_experts_per_tok": 2, "first_k_dense_replace": 1},
    "lfm2_moe": {
        "num_hidden_layers": 4,
        "num_dense_layers": 1,
        "layer_types": ["conv", "full_attention", "conv", "full_attention"],
    },
    "bailing_hybrid": {"num_nextn_predict_layers": 0},
    "zamba": {
        "num_hidden_layers": 5,
        "layers_block_type": ["linear_attention", "hybrid", "linear_attention", "hybrid", "linear_attention"],
        "attention_hidden_size": 128,
        "attention_head_dim": 32,
        "mamba_dt_rank": 4,
        "use_mamba_kernels": False,
    },
    "blt": {"encoder_hash_byte_group_vocab": 500, "use_cache": False},
    "chameleon": {"whole": {"vocabulary_map": {"<image>": 4}}, "vocabulary_map": {"<image>": 4}},
    "emu3": {
        "whole": {"vocabulary_map": {"<image>": 4}},
        "vocabulary_map": {"<image>": 4},
        "vq_config": {"base_channels": 32},
    },
    "qwen4_exp": {"text_config": _INDEXER},
    "qwen4_exp_text": _INDEXER,
    "cohere_compass": {"text_config": {"rope_parameters": _BY_LAYER_TYPE}},
    "cohere_compass_text": {"rope_parameters": _BY_LAYER_TYPE},
    "gemma4_assistant": {
        "whole": {
            "text_config": {
                "model_type": "gemma4_text",
                "hidden_size_per_layer_input": 0,
                "vocab_size_per_layer_input": 0,
                "enable_moe_block": False,
                "use_double_wide_mlp": False,
            }
        },
        "text_config": {"num_kv_shared_layers": 3},
    },
    "depth_anything": {"backbone_config": _FOUR_LAYERS},
    "prompt_depth_anything": {"backbone_config": _FOUR_LAYERS},
    "zoedepth": {"backbone_config": _FOUR_LAYERS},
    "tipsv2_dpt": {"backbone_config": _FOUR_LAYERS},
    "autoformer": {"prediction_length": 8, "context_length": 16, "num_time_features": 1},
    "informer": {"prediction_length": 8, "context_length": 16, "num_time_features": 1},
    "time_series_transformer": {"prediction_length": 8, "context_length": 16, "num_time_features": 1},
    "blip-2": {"image_token_index": 5},
    "instructblip": {"image_token_index": 5},
    "instructblipvideo": {"video_token_index": 5},
    "mllama_vision_model": {"intermediate_layers_indices": [0, 1], "vision_output_dim": 192, "image_size": 56},
    "llama4_vision_model": {"intermediate_size": 256, "image_size": 56},
    "pix2struct_text_model": {"initializer_range": 0.02},
    "qwen3_omni_moe": {
        "talker_config": {"spatial_merge_size": 2, "text_config": {"shared_expert_intermediate_size": 64}}
    },
    "qwen3_omni_moe_talker_text": {"shared_expert_intermediate_size": 64},
    "fun_asr_nano": {"adaptor_config": {"intermediate_size": 16}},
    "vitmatte": {"convstream_hidden_sizes": [16, 32, 48], "fusion_hidden_sizes": [64, 48, 32, 16]},
    "granite4_vision": {"deepstack_layer_map": [[0, 0]], "spatial_target_layers": [1], "downsample_rate": "1/2"},
    "deepseek_ocr2": {"text_config": _DENSE_AND_SPARSE},
    "deepseek_ocr2_text": _DENSE_AND_SPARSE,
    "diffusion_gemma": {"text_config": _EXPERTS},
    "diffusion_gemma_text": _EXPERTS,
    "colpali": {"vlm_config": {"text_config": {"num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 16}}},
    "molmo2": {"adapter_config": {"vision_feature_layer": [1, 0]}},
    "nemotron_h_omni": {"vision_config": {"video_temporal_patch_size": 2}},
    "xlstm": {"qk_dim_factor": 1.0, "num_blocks": 2},
    "clap": {"audio_config": {"hidden_size": 256}},
    "gemma4_unified_assistant": {"text_config": {"num_kv_shared_layers": 3}},
    "t5gemma2_text": {"dropout_rate": 0.0},
    "t5gemma2_encoder": {"text_config": {"dropout_rate": 0.0}},
    "t5gemma2_decoder": {"dropout_rate": 0.0},
    "moonshine_streaming": {"num_key_value_heads": 4, "encoder_config": {"num_key_value_heads": 4}},
}
