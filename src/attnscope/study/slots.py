"""The tokens of a prompt's slots, from the characters that they fill."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from attnscope.errors import InputError
from attnscope.prompt_sets import Prompt
from attnscope.trace.positions import resolve
from attnscope.trace.words import Span
from attnscope.types import Token


def slot_tokens(tokenizer: Any, prompt: Prompt, name: str, tokens: Sequence[Token]) -> Span:
    """The indices of the tokens that a slot fills, in whole or in part.

    They come from the tokenizer's character offsets. If it reports none, the slot's text is looked up as a word, by the number of
    its occurrence. Raises `InputError` if no token is found.
    """
    assert prompt.text is not None
    start, end = prompt.slots[name]
    offsets = _offsets(tokenizer, prompt.text, tokens)
    if offsets is None:
        return _by_word(prompt.text, start, end, tokens, name)
    found = tuple(
        index
        for index, (first, last) in enumerate(offsets)
        if prompt.text[max(first, start) : min(last, end)].strip() and max(first, start) < min(last, end)
    )
    if not found:
        raise InputError(f"No token belongs to the slot {name!r:.80} ({prompt.text[start:end]!r:.80}).")
    return found


def _offsets(tokenizer: Any, text: str, tokens: Sequence[Token]) -> list[tuple[int, int]] | None:
    """The characters of each token; None if the tokenizer does not report them, or if these are not its tokens."""
    if not getattr(tokenizer, "is_fast", False):
        return None
    encoding = tokenizer(text, return_offsets_mapping=True, verbose=False)
    if list(encoding["input_ids"]) != [token.id for token in tokens]:
        return None
    return [(int(first), int(last)) for first, last in encoding["offset_mapping"]]


def _by_word(text: str, start: int, end: int, tokens: Sequence[Token], name: str) -> Span:
    word = text[start:end].strip()
    before = re.compile(rf"(?<!\w){re.escape(word)}(?!\w)").finditer(text[: end + 1])
    number = sum(1 for one in before if one.start() <= start + 1)
    return resolve((word, max(number, 1)), tokens, name)
