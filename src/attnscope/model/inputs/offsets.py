"""What of the text a token stands for, where it does not say: unknown words, and bytes that are part of a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from attnscope.types import Token


def with_given(tokens: Sequence[Token], encoding: Any, tokenizer: Any, *texts: str) -> list[Token]:
    """`tokens` with `given` where they are unknown or bytes. `texts` are what was encoded: one text, or two sentences.

    A tokenizer that tells no positions leaves them as they are.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    backend: Any = next(iter(getattr(encoding, "encodings", None) or ()), None)
    if backend is None or len(backend.ids) != len(tokens):
        return list(tokens)
    found: list[Token] = []
    for token, (start, end), sequence in zip(tokens, backend.offsets, backend.sequence_ids, strict=True):
        said = token.id == unknown or token.raw
        stretch = texts[sequence][start:end].strip() if said and sequence is not None and sequence < len(texts) else ""
        found.append(replace(token, given=stretch) if stretch else token)
    return found
