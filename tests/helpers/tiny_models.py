"""Tiny models with random weights from fixed seeds, one of each family."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import transformers as tf

VOCABULARY = 99
_COMMON = {
    "vocab_size": VOCABULARY,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 32,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_GROUPED = {**_COMMON, "num_key_value_heads": 2}
_LM, _MLM = tf.AutoModelForCausalLM, tf.AutoModelForMaskedLM
_IDS = {"bos_token_id": 1, "eos_token_id": 2}


def _gpt_oss() -> Any:
    model = _LM.from_config(
        tf.GptOssConfig(**_GROUPED, head_dim=16, num_local_experts=2, num_experts_per_tok=1, sliding_window=5)
    )
    for name, parameter in model.named_parameters():
        if name.endswith("sinks"):  # large enough to change the weights
            torch.nn.init.normal_(parameter, mean=1.0)
    return model


FAMILIES: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: _LM.from_config(
        tf.GPT2Config(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, n_positions=64, **_IDS)
    ),
    "bert": lambda: _MLM.from_config(tf.BertConfig(**_COMMON)),
    "roberta": lambda: _MLM.from_config(tf.RobertaConfig(**_COMMON)),
    "distilbert": lambda: _MLM.from_config(
        tf.DistilBertConfig(vocab_size=VOCABULARY, dim=32, n_layers=3, n_heads=4, hidden_dim=37)
    ),
    "albert": lambda: _MLM.from_config(tf.AlbertConfig(**_COMMON, embedding_size=16)),
    "electra": lambda: _MLM.from_config(tf.ElectraConfig(**_COMMON, embedding_size=16)),
    "llama": lambda: _LM.from_config(tf.LlamaConfig(**_GROUPED)),
    "mistral": lambda: _LM.from_config(tf.MistralConfig(**_GROUPED, sliding_window=5)),
    "qwen3": lambda: _LM.from_config(tf.Qwen3Config(**_GROUPED, head_dim=16)),
    "gemma2": lambda: _LM.from_config(
        tf.Gemma2Config(**_GROUPED, head_dim=16, attn_logit_softcapping=0.05, sliding_window=5, query_pre_attn_scalar=1)
    ),
    "gemma3": lambda: _LM.from_config(
        tf.Gemma3TextConfig(**{**_GROUPED, "num_hidden_layers": 7}, head_dim=16, sliding_window=5)
    ),
    "gpt_oss": _gpt_oss,
    "phi3": lambda: _LM.from_config(tf.Phi3Config(**_GROUPED)),
    "gpt_neox": lambda: _LM.from_config(tf.GPTNeoXConfig(**_COMMON)),
    "opt": lambda: _LM.from_config(
        tf.OPTConfig(
            vocab_size=VOCABULARY,
            hidden_size=32,
            num_hidden_layers=3,
            num_attention_heads=4,
            ffn_dim=37,
            word_embed_proj_dim=32,
            max_position_embeddings=64,
            **_IDS,
        )
    ),
    "olmo2": lambda: _LM.from_config(tf.Olmo2Config(**_GROUPED)),
    "layoutlm": lambda: _MLM.from_config(tf.LayoutLMConfig(**_COMMON)),
    "modernbert": lambda: _MLM.from_config(
        tf.ModernBertConfig(**_COMMON, local_attention=6, global_attn_every_n_layers=3, cls_token_id=1, sep_token_id=2)
    ),
    "deepseek_v3": lambda: _LM.from_config(
        tf.DeepseekV3Config(
            **{**_GROUPED, "num_key_value_heads": 4},
            q_lora_rank=8,
            kv_lora_rank=8,
            qk_rope_head_dim=8,
            qk_nope_head_dim=8,
            v_head_dim=8,
            n_routed_experts=4,
            num_experts_per_tok=2,
            n_group=2,
            topk_group=1,
            moe_intermediate_size=16,
            first_k_dense_replace=1,
        )
    ),
}
"""Families whose attention goes through transformers' attention interface."""

OUTSIDE_INTERFACE: dict[str, Callable[[], Any]] = {
    "bloom": lambda: _LM.from_config(
        tf.BloomConfig(vocab_size=VOCABULARY, hidden_size=32, n_layer=3, n_head=4, **_IDS)
    ),
    "deberta_v2": lambda: _MLM.from_config(tf.DebertaV2Config(**_COMMON)),
    "mpt": lambda: _LM.from_config(
        tf.MptConfig(vocab_size=VOCABULARY, d_model=32, n_layers=3, n_heads=4, max_seq_len=64, **_IDS)
    ),
    "gptj": lambda: _LM.from_config(
        tf.GPTJConfig(vocab_size=VOCABULARY, n_embd=32, n_layer=3, n_head=4, rotary_dim=4, **_IDS)
    ),
}
"""Families that compute attention in their own code and only report the weights."""


_SIDES = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "encoder_layers": 3,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "decoder_ffn_dim": 32,
    "max_position_embeddings": 64,
    "decoder_start_token_id": 2,
}
_T5 = {
    "vocab_size": VOCABULARY,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 32,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "num_heads": 4,
    "initializer_factor": 0.5,  # T5 does not scale its scores
    "decoder_start_token_id": 0,
}
_SEQ2SEQ = tf.AutoModelForSeq2SeqLM


def _bert_to_gpt2() -> Any:
    decoder = tf.GPT2Config(vocab_size=95, n_embd=32, n_layer=2, n_head=2, n_positions=64, add_cross_attention=True)
    config = tf.EncoderDecoderConfig.from_encoder_decoder_configs(tf.BertConfig(**_COMMON), decoder)
    config.decoder_start_token_id, config.pad_token_id = 1, 0
    return tf.EncoderDecoderModel(config)


SEQ2SEQ: dict[str, Callable[[], Any]] = {
    "t5": lambda: _SEQ2SEQ.from_config(tf.T5Config(**_T5)),
    "umt5": lambda: _SEQ2SEQ.from_config(tf.UMT5Config(**_T5)),
    "bart": lambda: _SEQ2SEQ.from_config(tf.BartConfig(**_SIDES)),
    "marian": lambda: _SEQ2SEQ.from_config(tf.MarianConfig(**_SIDES, pad_token_id=0)),
    "m2m_100": lambda: _SEQ2SEQ.from_config(tf.M2M100Config(**_SIDES)),
    "pegasus": lambda: _SEQ2SEQ.from_config(tf.PegasusConfig(**_SIDES)),
    "nllb_moe": lambda: _SEQ2SEQ.from_config(
        tf.NllbMoeConfig(**_SIDES, num_experts=2, encoder_sparse_step=2, decoder_sparse_step=2, expert_capacity=16)
    ),
    "bert2gpt2": _bert_to_gpt2,
}
"""Encoder-decoder models, with different numbers of layers (and of heads, where possible) on the two sides."""


def whisper() -> Any:
    """A tiny Whisper for audio of 0.6 s, as spectrograms [1, 16, 60]."""
    config = tf.WhisperConfig(
        **{**_SIDES, "decoder_start_token_id": 50},
        num_mel_bins=16,
        max_source_positions=30,
        max_target_positions=40,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    torch.manual_seed(0)
    return tf.WhisperForConditionalGeneration(config).eval()


def build(name: str) -> Any:
    """The tiny model of a family, in eval mode and float32, with weights large enough that heads differ."""
    torch.manual_seed(0)
    model = (FAMILIES | OUTSIDE_INTERFACE | SEQ2SEQ)[name]()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            if parameter.ndim == 2 and "embed" not in parameter_name and "router" not in parameter_name:
                parameter.mul_(4.0)
    return model.eval()


def ids(length: int = 12) -> list[int]:
    """Random token ids, none of them special."""
    return torch.randint(8, VOCABULARY - 5, (length,), generator=torch.Generator().manual_seed(1)).tolist()


def words_tokenizer(*texts: str) -> Any:
    """A tokenizer with one token per word of `texts` (default: single letters); `</s>` ends a text, as in T5."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    words = sorted({word for text in texts or ["a b c d e f g h"] for word in text.split()})
    vocabulary = {word: ident for ident, word in enumerate(["<pad>", "</s>", "<unk>", "[MASK]", *words])}
    assert len(vocabulary) <= VOCABULARY
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return tf.PreTrainedTokenizerFast(
        tokenizer_object=backend, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", mask_token="[MASK]"
    )
