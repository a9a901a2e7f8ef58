"""The parts of a trace of attention weights that somebody else computed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from operator import index
from typing import Any, SupportsIndex

from torch import Tensor

from attnscope.attention import LayerRecord, WeightsRecord
from attnscope.errors import InputError
from attnscope.trace.attention_arrays import Rows, layers_of
from attnscope.trace.byte_level import prettified
from attnscope.trace.certificate import Certificate
from attnscope.trace.parts import TraceParts
from attnscope.trace.stack import TracedStack
from attnscope.types import Token

SENTENCE = "These weights were given as they are; there was no model to check them against."

_SPECIAL = re.compile(r"\[(CLS|SEP|PAD|MASK|UNK|BOS|EOS)\]|</?s>|<(pad|bos|eos|unk|mask|cls|sep)>|<\|[^|]+\|>")


def parts_of_attention(
    attentions: Any,
    tokens: Sequence[str] | None,
    sentence_b_start: int | None,
    *,
    key_tokens: Sequence[str] | None,
    encoder: Any,
    decoder: Any,
    cross: Any,
    encoder_tokens: Sequence[str] | None,
    decoder_tokens: Sequence[str] | None,
    rows: Rows,
    prettify_tokens: bool,
) -> TraceParts:
    """What `Trace.from_attention` does: one stack, or those of an encoder-decoder model."""
    apart = (encoder, decoder, cross, encoder_tokens, decoder_tokens)
    if attentions is None and tokens is None:
        return from_encoder_decoder(
            encoder=encoder,
            decoder=decoder,
            cross=cross,
            encoder_tokens=encoder_tokens,
            decoder_tokens=decoder_tokens,
            rows=rows,
            prettify_tokens=prettify_tokens,
        )
    if attentions is None or tokens is None or any(one is not None for one in apart):
        raise InputError(
            "Pass `attentions` with `tokens`, or the attention of encoder, decoder and across with `encoder_tokens` and "
            "`decoder_tokens`; not a part of one, nor both."
        )
    return from_attention(
        attentions, tokens, sentence_b_start, key_tokens=key_tokens, rows=rows, prettify_tokens=prettify_tokens
    )


def from_attention(
    attentions: Any,
    tokens: Sequence[str],
    sentence_b_start: int | None = None,
    *,
    key_tokens: Sequence[str] | None = None,
    rows: Rows = "whole",
    prettify_tokens: bool = False,
    name: str = "attentions",
) -> TraceParts:
    """See `Trace.from_attention`. `name` is what the caller calls the weights."""
    texts = _texts("tokens", tokens)
    keys = texts if key_tokens is None else _texts("key_tokens", key_tokens)
    inside = isinstance(sentence_b_start, SupportsIndex) and 0 < index(sentence_b_start) < len(texts)
    if sentence_b_start is not None and (key_tokens is not None or not inside):
        between = f"lies between 1 and {len(texts) - 1}" if key_tokens is None else "goes with one list of tokens"
        raise InputError(f"`sentence_b_start` {between}; got {sentence_b_start!r}.")
    layers = layers_of(name, attentions, len(texts), len(keys), rows)
    shown = _tokens(texts, sentence_b_start, prettify_tokens=prettify_tokens)
    if key_tokens is not None:
        sides = {"source": _tokens(keys, None, prettify_tokens=prettify_tokens), "target": shown}
        return _parts(sides, {"cross": _stack(layers, causal=False, query="target", key="source")})
    causal = len(texts) > 1 and all(not bool(one.triu(1).any()) for one in layers if one is not None)
    return _parts({"text": shown}, {"decoder" if causal else "encoder": _stack(layers, causal=causal)})


def from_encoder_decoder(
    *,
    encoder: Any = None,
    decoder: Any = None,
    cross: Any = None,
    encoder_tokens: Sequence[str] | None = None,
    decoder_tokens: Sequence[str] | None = None,
    rows: Rows = "whole",
    prettify_tokens: bool = False,
    plural: str = "s",
) -> TraceParts:
    """See `Trace.from_attention`. `plural` ends the names of the caller's arguments (`encoder_attention` + `s`)."""
    needed = {"encoder": encoder is not None or cross is not None, "decoder": decoder is not None or cross is not None}
    given = {"encoder": encoder_tokens, "decoder": decoder_tokens}
    texts: dict[str, list[str]] = {}
    for side, tokens in given.items():
        if needed[side]:
            if tokens is None:
                what = f"cross_attention{plural}" if cross is not None else f"{side}_attention{plural}"
                raise InputError(f"`{side}_tokens` are needed with `{what}`: one text for each position.")
            texts[side] = _texts(f"{side}_tokens", tokens)
    if not texts:
        raise InputError("There is no attention: pass that of the encoder, of the decoder, or across.")
    names = {"encoder": "source", "decoder": "target"} if len(texts) == 2 else dict.fromkeys(texts, "text")
    wanted = {"encoder": (encoder, "encoder", "encoder"), "decoder": (decoder, "decoder", "decoder")}
    wanted["cross"] = (cross, "decoder", "encoder")
    stacks: dict[str, TracedStack] = {}
    for stack, (weights, query, key) in wanted.items():
        if weights is not None:
            layers = layers_of(f"{stack}_attention{plural}", weights, len(texts[query]), len(texts[key]), rows)
            stacks[stack] = _stack(layers, causal=stack == "decoder", query=names[query], key=names[key])
    sides = {names[side]: _tokens(one, None, prettify_tokens=prettify_tokens) for side, one in texts.items()}
    return _parts(sides, stacks)


def _texts(name: str, tokens: Any) -> list[str]:
    texts = [] if isinstance(tokens, str) or not hasattr(tokens, "__iter__") else list(tokens)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"`{name}` is a list of the tokens' texts, one for each position, and not empty; a tokenizer's "
            "`convert_ids_to_tokens` gives them."
        )
    return texts


def _tokens(texts: list[str], sentence_b_start: int | None, *, prettify_tokens: bool) -> list[Token]:
    shown = prettified(texts) if prettify_tokens else texts
    made: list[Token] = []
    for position, (raw, text) in enumerate(zip(texts, shown, strict=True)):
        sentence = None if sentence_b_start is None else "B" if position >= sentence_b_start else "A"
        made.append(Token(text=text, id=-1, special=_SPECIAL.fullmatch(raw) is not None, sentence=sentence))
    return made


def _stack(layers: Sequence[Tensor | None], *, causal: bool, query: str = "text", key: str = "text") -> TracedStack:
    records: list[LayerRecord | None] = [None if one is None else WeightsRecord(one) for one in layers]
    return TracedStack(records, causal=causal, query_side=query, key_side=key)


def _parts(sides: Mapping[str, list[Token]], stacks: Mapping[str, TracedStack]) -> TraceParts:
    return TraceParts(
        sides=sides,
        stacks=stacks,
        certificate=Certificate(ok=False, max_error=0.0, tolerance=0.0, scope="sampled", sentence=SENTENCE, stacks={}),
        provenance={
            "model": None,
            "title": "given attention",
            "dtype": "float32",
            "versions": {"attnscope": version("attnscope")},
            "edits": [],
        },
        warnings=[SENTENCE],
    )
