"""A tiny random Llama that reads text with SmolLM2's tokenizer, and its eager attention for comparison."""

from __future__ import annotations

from typing import Any

import torch
import transformers as tf

import attnscope


def tiny_text_model(tokenizer: Any, *, seed: int = 0, layers: int = 2, heads: int = 4) -> attnscope.Model:
    """Random weights, large enough that heads differ clearly."""
    torch.manual_seed(seed)
    config = tf.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads // 2,
        intermediate_size=32,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=0,
    )
    model: Any = tf.LlamaForCausalLM(config).eval()
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "norm" not in name:
                parameter.normal_(0.0, 0.4)
    return attnscope.Model(model, tokenizer, name=f"tiny-{seed}")


def eager(model: attnscope.Model, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(attention [layer, head, query, key], logits [token, vocab]) of transformers' own eager attention, in float64."""
    hf = model.hf_model
    before = hf.config._attn_implementation
    hf.set_attn_implementation("eager")
    try:
        with torch.no_grad():
            out = hf(**model.tokenizer(text, return_tensors="pt"), output_attentions=True)
    finally:
        hf.set_attn_implementation(before)
    return torch.cat(out.attentions).double(), out.logits[0].double()
