"""The source text of tokens that do not show it: unknown words, and bytes that are part of a character."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from attnscope.model.inputs.alignment import Spans, unknown_spans
from attnscope.types import Token


def with_source_text(tokens: Sequence[Token], encoding: Any, tokenizer: Any, *texts: str) -> list[Token]:
    """Set `given` on tokens that are unknown words or bytes. `texts` is what was encoded: one text, or two sentences.

    If the tokenizer does not report character positions, unknown words are looked for in the text, and set where their place is
    certain.
    """
    unknown = getattr(tokenizer, "unk_token_id", None)
    backend: Any = next(iter(getattr(encoding, "encodings", None) or ()), None)
    if backend is None or len(backend.ids) != len(tokens):
        joined = " ".join(texts)
        spans: Spans = [None] * len(tokens) if unknown is None else unknown_spans(joined, tokens, unknown)
        sources = ["" if span is None else joined[span[0] : span[1]] for span in spans]
    else:
        sources = [
            _words(texts[sequence][start:end])
            if (token.id == unknown or token.raw) and sequence is not None and sequence < len(texts)
            else ""
            for token, (start, end), sequence in zip(tokens, backend.offsets, backend.sequence_ids, strict=True)
        ]
    return [replace(token, given=source) if source else token for token, source in zip(tokens, sources, strict=True)]


def _words(source: str) -> str:
    """A source text without the spaces around it, unless there is nothing else."""
    return source.strip() or source
