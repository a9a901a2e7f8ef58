"""Build a trace from attention weights that were computed elsewhere."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from operator import index
from typing import Any

from torch import Tensor

from attnscope.attention import LayerRecord, WeightsRecord
from attnscope.errors import InputError
from attnscope.trace.attention_arrays import AVERAGED, Rows, lacks_batch_axis, layers_of
from attnscope.trace.byte_level import prettify
from attnscope.trace.certificate import WITHOUT_MODEL, Certificate
from attnscope.trace.generated_attention import joined_steps
from attnscope.trace.parts import TraceParts
from attnscope.trace.stack import TracedStack
from attnscope.types import Token
from attnscope.validation import is_index

_HEADS = f"The weights have no batch axis, so their first axis was read as heads. {AVERAGED}"
_DROPPED = "The last generated token was dropped: the model has not read it, so it attends to nothing."

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
    """See `Trace.from_attention`: a single stack, or the stacks of an encoder-decoder model."""
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
            "Pass either `attentions` with `tokens`, or `encoder_attentions`, `decoder_attentions` and `cross_attentions` with "
            "`encoder_tokens` and `decoder_tokens`, but not both."
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
    """See `Trace.from_attention`. `name` is the caller's name for the argument `attentions`, used in errors."""
    texts = _texts("tokens", tokens)
    keys = texts if key_tokens is None else _texts("key_tokens", key_tokens)
    inside = sentence_b_start is not None and is_index(sentence_b_start) and 0 < index(sentence_b_start) < len(texts)
    if sentence_b_start is not None and (key_tokens is not None or not inside):
        if key_tokens is not None:
            raise InputError("`sentence_b_start` cannot be combined with `key_tokens`. Pass one of the two.")
        raise InputError(f"`sentence_b_start` must be between 1 and {len(texts) - 1}; got {sentence_b_start!r:.80}.")
    attentions, count = joined_steps(name, attentions, len(texts), cross=key_tokens is not None)
    notes = [_DROPPED] if count < len(texts) else []
    keys = texts[:count] if keys is texts else keys
    texts = texts[:count]
    layers = layers_of(name, attentions, len(texts), len(keys), rows)
    notes += [_HEADS] if lacks_batch_axis(attentions) else []
    shown = _tokens(texts, sentence_b_start, prettify_tokens=prettify_tokens)
    if key_tokens is not None:
        sides = {"source": _tokens(keys, None, prettify_tokens=prettify_tokens), "target": shown}
        return _parts(sides, {"cross": _stack(layers, causal=False, query="target", key="source")}, notes)
    causal = len(texts) > 1 and all(not bool(one.triu(1).any()) for one in layers if one is not None)
    return _parts({"text": shown}, {"decoder" if causal else "encoder": _stack(layers, causal=causal)}, notes)


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
    """See `Trace.from_attention`. `plural` is the ending of the caller's argument names (`encoder_attention` + `s`)."""
    needed = {"encoder": encoder is not None or cross is not None, "decoder": decoder is not None or cross is not None}
    tokens_by_side = {"encoder": encoder_tokens, "decoder": decoder_tokens}
    texts: dict[str, list[str]] = {}
    for side, tokens in tokens_by_side.items():
        if needed[side]:
            if tokens is None:
                what = f"cross_attention{plural}" if cross is not None else f"{side}_attention{plural}"
                raise InputError(f"`{what}` requires `{side}_tokens`: one text per position.")
            texts[side] = _texts(f"{side}_tokens", tokens)
    if not texts:
        raise InputError(
            f"No attention was passed. Pass at least one of `encoder_attention{plural}`, `decoder_attention{plural}` and "
            f"`cross_attention{plural}`."
        )
    names = {"encoder": "source", "decoder": "target"} if len(texts) == 2 else dict.fromkeys(texts, "text")
    sources = {"encoder": (encoder, "encoder", "encoder"), "decoder": (decoder, "decoder", "decoder")}
    sources["cross"] = (cross, "decoder", "encoder")
    notes: list[str] = []
    for stack, (weights, query, key) in sources.items():
        if weights is not None:
            name = f"{stack}_attention{plural}"
            joined, count = joined_steps(name, weights, len(texts[query]), cross=stack == "cross")
            notes += [_DROPPED] if count < len(texts[query]) else []
            texts[query] = texts[query][:count]
            sources[stack] = (joined, query, key)
    stacks: dict[str, TracedStack] = {}
    for stack, (weights, query, key) in sources.items():
        if weights is not None:
            layers = layers_of(f"{stack}_attention{plural}", weights, len(texts[query]), len(texts[key]), rows)
            notes += [_HEADS] if lacks_batch_axis(weights) else []
            stacks[stack] = _stack(layers, causal=stack == "decoder", query=names[query], key=names[key])
    sides = {names[side]: _tokens(one, None, prettify_tokens=prettify_tokens) for side, one in texts.items()}
    return _parts(sides, stacks, notes)


def _texts(name: str, tokens: Any) -> list[str]:
    texts = [] if isinstance(tokens, str) or not hasattr(tokens, "__iter__") else list(tokens)
    if not texts or not all(isinstance(text, str) for text in texts):
        raise InputError(
            f"`{name}` must be a non-empty list with the text of the token at each position, as returned by a tokenizer's "
            "`convert_ids_to_tokens`."
        )
    return texts


def _tokens(texts: list[str], sentence_b_start: int | None, *, prettify_tokens: bool) -> list[Token]:
    shown = prettify(texts) if prettify_tokens else texts
    built: list[Token] = []
    for position, (raw, text) in enumerate(zip(texts, shown, strict=True)):
        sentence = None if sentence_b_start is None else "B" if position >= sentence_b_start else "A"
        built.append(Token(text=text, id=-1, special=_SPECIAL.fullmatch(raw) is not None, sentence=sentence))
    return built


def _stack(layers: Sequence[Tensor | None], *, causal: bool, query: str = "text", key: str = "text") -> TracedStack:
    records: list[LayerRecord | None] = [None if one is None else WeightsRecord(one) for one in layers]
    return TracedStack(records, causal=causal, query_side=query, key_side=key)


def _parts(
    sides: Mapping[str, list[Token]], stacks: Mapping[str, TracedStack], notes: Sequence[str] = ()
) -> TraceParts:
    return TraceParts(
        sides=sides,
        stacks=stacks,
        certificate=Certificate(
            ok=False, max_error=0.0, tolerance=0.0, scope="sampled", sentence=WITHOUT_MODEL, stacks={}
        ),
        provenance={
            "model": None,
            "title": "user-supplied attention",
            "dtype": "float32",
            "versions": {"attnscope": version("attnscope")},
            "edits": [],
        },
        warnings=[WITHOUT_MODEL, *dict.fromkeys(notes)],
    )
