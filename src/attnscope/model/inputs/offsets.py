"""The source text of tokens that do not show it: unknown words, and bytes that are part of a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from attnscope.types import Token


def with_source_text(tokens: Sequence[Token], encoding: Any, tokenizer: Any, *texts: str) -> list[Token]:
    """Set `given` on tokens that are unknown words or bytes. `texts` is what was encoded: one text, or two sentences.

    Tokens stay unchanged if the tokenizer does not report character positions.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    backend: Any = next(iter(getattr(encoding, "encodings", None) or ()), None)
    if backend is None or len(backend.ids) != len(tokens):
        return list(tokens)
    found: list[Token] = []
    for token, (start, end), sequence in zip(tokens, backend.offsets, backend.sequence_ids, strict=True):
        hidden = token.id == unknown or token.raw
        source = texts[sequence][start:end].strip() if hidden and sequence is not None and sequence < len(texts) else ""
        found.append(replace(token, given=source) if source else token)
    return found
