"""Prompts that occur twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from attnscope.errors import InputError
from attnscope.prompt_sets.prompt import Prompt, RandomTokens

Duplicates: TypeAlias = Literal["error", "drop"]


def distinct(placed: Iterable[tuple[str, Prompt]], duplicates: Duplicates) -> list[Prompt]:
    """Prompts with different texts, from prompts and where they come from ("In 'a.csv', row 3").

    Raises `InputError` at a text that occurred before, or with "drop" leaves it out.
    """
    first: dict[str | RandomTokens | None, str] = {}
    kept: list[Prompt] = []
    for place, prompt in placed:
        key = prompt.text if prompt.random is None else prompt.random
        if key not in first:
            first[key] = place
            kept.append(prompt)
        elif duplicates == "error":
            before = f"in{first[key][2:]}" if first[key] != place else "made from the same row"
            raise InputError(
                f"{place}: the prompt {prompt.text!r:.80} would count twice (the first is {before}). "
                'Remove one, or pass duplicates="drop" to keep the first.'
            )
    return kept
