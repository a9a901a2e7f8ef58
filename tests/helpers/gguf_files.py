"""A tiny GGUF file that transformers loads: a Gemma 3 decoder with random weights and a vocabulary of letters."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

_WIDTH, _LAYERS, _HEADS, _HEAD = 32, 2, 4, 8


def gemma_gguf(path: Path, *, seed: int = 0) -> Path:
    """Write the file and return its path."""
    writer = gguf.GGUFWriter(path, "gemma3")
    writer.add_name("tiny gemma")
    writer.add_context_length(128)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(_LAYERS)
    writer.add_feed_forward_length(48)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(1)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(10000.0)
    writer.add_sliding_window(16)
    letters = ["▁", *"abcdefghijklmnopqrstuvwxyz"]
    pairs = [first + second for first in letters for second in letters[1:] if (first, second) < ("e", "z")]
    tokens = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters, *pairs]
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores([-float(i) for i in range(len(tokens))])
    writer.add_token_types([3, 3, 3, 2, *[6] * 256, *[1] * (len(tokens) - 260)])
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(1)
    writer.add_unk_token_id(3)
    writer.add_pad_token_id(0)
    draw = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {"token_embd": (len(tokens), _WIDTH), "output_norm": (_WIDTH,)}
    for layer in range(_LAYERS):
        within = {
            "attn_norm": (_WIDTH,), "post_attention_norm": (_WIDTH,), "ffn_norm": (_WIDTH,), "post_ffw_norm": (_WIDTH,),
            "attn_q_norm": (_HEAD,), "attn_k_norm": (_HEAD,), "attn_q": (_HEADS * _HEAD, _WIDTH), "attn_k": (_HEAD, _WIDTH),
            "attn_v": (_HEAD, _WIDTH), "attn_output": (_WIDTH, _HEADS * _HEAD), "ffn_gate": (48, _WIDTH),
            "ffn_up": (48, _WIDTH), "ffn_down": (_WIDTH, 48),
        }  # fmt: skip
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in within.items()}
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", (0.3 * draw.standard_normal(shape)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
