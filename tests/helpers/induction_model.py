"""A two-layer decoder (GPT-2 without MLPs) whose weights are set by hand.

Head 0.1 attends to the previous token and copies it into the residual stream; head 1.2 attends to the token after an earlier
occurrence of its own token, and predicts it. Both put all of their weight there, up to rounding. All other heads have random
weights.
"""

from __future__ import annotations

import torch
import transformers as tf

TOKENS = 24
POSITIONS = 48
HEADS = 4
PREVIOUS = (0, 1)
INDUCTION = (1, 2)

_DIM = POSITIONS + 2
_WIDTH = HEADS * _DIM
_TOKEN = slice(0, TOKENS)
"""Where the residual stream holds the token, as a one-hot vector; then the position, the previous token, and a scratch space."""
_POSITION = slice(TOKENS, TOKENS + POSITIONS)
_BEFORE = slice(TOKENS + POSITIONS, 2 * TOKENS + POSITIONS)
_SCRATCH = slice(2 * TOKENS + POSITIONS, _WIDTH)
_SHARP = 40.0


def build() -> tf.GPT2LMHeadModel:
    """The model. Position 0 is where the induction head looks if its token is new."""
    torch.manual_seed(4)
    config = tf.GPT2Config(
        vocab_size=TOKENS,
        n_positions=POSITIONS,
        n_embd=_WIDTH,
        n_layer=2,
        n_head=HEADS,
        n_inner=4,
        bos_token_id=0,
        eos_token_id=0,
        attn_pdrop=0.0,
        resid_pdrop=0.0,
        embd_pdrop=0.0,
    )
    model = tf.GPT2LMHeadModel(config).eval()
    transformer = model.transformer
    with torch.no_grad():
        transformer.wte.weight.zero_()[:, _TOKEN] = torch.eye(TOKENS)
        transformer.wpe.weight.zero_()[:, _POSITION] = torch.eye(POSITIONS)
        for block in transformer.h:
            block.mlp.c_proj.weight.zero_()
            block.mlp.c_proj.bias.zero_()
            _randomize(block.attn)
        _set_previous(transformer.h[0].attn, PREVIOUS[1])
        _set_induction(transformer.h[1].attn, INDUCTION[1])
    return model


def _randomize(attention: torch.nn.Module) -> None:
    """Random heads, which write into the scratch space only."""
    attention.c_attn.weight.normal_(std=0.3)
    attention.c_attn.bias.zero_()
    attention.c_proj.weight.zero_()[:, _SCRATCH].normal_(std=0.002)
    attention.c_proj.bias.zero_()


def _columns(head: int, part: int) -> slice:
    """The columns of q (part 0), k (1) or v (2) of a head in the fused projection."""
    start = part * _WIDTH + head * _DIM
    return slice(start, start + _DIM)


def _set_previous(attention: torch.nn.Module, head: int) -> None:
    """q: the position. k: the position after the key's. v: the token, written to the space for the token before."""
    q, k, v = (torch.zeros(_WIDTH, _DIM) for _ in range(3))
    q[_POSITION, :POSITIONS] = _SHARP * torch.eye(POSITIONS)
    k[_POSITION, 1:POSITIONS] = torch.eye(POSITIONS)[:, :-1]
    v[_TOKEN, :TOKENS] = torch.eye(TOKENS) / 8
    for part, weight in enumerate((q, k, v)):
        attention.c_attn.weight[:, _columns(head, part)] = weight
    rows = slice(head * _DIM, (head + 1) * _DIM)
    out = torch.zeros(_DIM, _WIDTH)
    out[:TOKENS, _BEFORE] = torch.eye(TOKENS)
    attention.c_proj.weight[rows] = out


def _set_induction(attention: torch.nn.Module, head: int) -> None:
    """q: the token, and a constant. k: the token before the key, and half as much for position 0. v: the token, which is written
    to the space for the token, where the unembedding reads the prediction."""
    q, k, v = (torch.zeros(_WIDTH, _DIM) for _ in range(3))
    q[_TOKEN, :TOKENS] = _SHARP * torch.eye(TOKENS)
    k[_BEFORE, :TOKENS] = torch.eye(TOKENS)
    k[_POSITION.start, TOKENS] = 0.5
    v[_TOKEN, :TOKENS] = torch.eye(TOKENS)
    for part, weight in enumerate((q, k, v)):
        attention.c_attn.weight[:, _columns(head, part)] = weight
    attention.c_attn.bias[_columns(head, 0)][TOKENS] = _SHARP * 4
    out = torch.zeros(_DIM, _WIDTH)
    out[:TOKENS, _TOKEN] = torch.eye(TOKENS) / 2
    attention.c_proj.weight[head * _DIM : (head + 1) * _DIM] = out
