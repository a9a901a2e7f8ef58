"""Texts on the command line."""

from __future__ import annotations

from attnscope.errors import InputError


def require_words(text: str, option: str) -> str:
    """`text`, unless it is empty or blank. Python accepts blank texts, but on the command line they are a mistake."""
    if not text.strip():
        raise InputError(f"{option} is {'blank' if text else 'empty'}. Pass a text to run the model on.")
    return text
