"""Tokenizers with two vocabularies: one for what the encoder reads, and one for what the decoder reads and writes."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Literal, cast

Side = Literal["source", "target"]


def separate_vocabulary(tokenizer: Any, side: Side) -> dict[int, str] | None:
    """The pieces of one side by id; None if both sides share a vocabulary.

    Such tokenizers (Marian with `separate_vocabs`, FSMT) tokenize a source with `encoder`, and convert ids to pieces with
    `decoder`, which is the target's.
    """
    encoder, decoder = getattr(tokenizer, "encoder", None), getattr(tokenizer, "decoder", None)
    if not isinstance(encoder, Mapping) or not isinstance(decoder, Mapping):
        return None
    source, target = cast("Mapping[str, int]", encoder), cast("Mapping[int, str]", decoder)
    if all(source.get(piece) == ident for ident, piece in target.items()):
        return None
    return {ident: piece for piece, ident in source.items()} if side == "source" else dict(target)


def target_ids(tokenizer: Any, text: str, *, add_special_tokens: bool = True) -> list[int]:
    """Tokenize a text as the tokenizer does it for targets, with the target's vocabulary if it has one."""
    options = {"add_special_tokens": add_special_tokens, "verbose": False}
    vocabulary = separate_vocabulary(tokenizer, "target")
    if vocabulary is not None and not hasattr(tokenizer, "_switch_to_target_mode"):
        return list(_for_targets(tokenizer, vocabulary)(text, **options)["input_ids"])
    try:
        return list(tokenizer(text_target=text, **options)["input_ids"])
    except TypeError:  # a tokenizer that does not distinguish targets
        return list(tokenizer(text, **options)["input_ids"])


def _for_targets(tokenizer: Any, vocabulary: Mapping[int, str]) -> Any:
    """A copy of an FSMT tokenizer that tokenizes targets, for which it has a vocabulary and a language, but no method."""
    other = copy.copy(tokenizer)
    other.encoder = {piece: ident for ident, piece in vocabulary.items()}
    if hasattr(tokenizer, "tgt_lang"):
        other.src_lang = tokenizer.tgt_lang
    return other
