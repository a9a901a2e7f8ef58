"""`Continuation`: the tokens that an answer or a foil consists of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from attnscope.errors import InputError
from attnscope.model.inputs.vocabularies import target_ids
from attnscope.model.metrics.answer import index_in
from attnscope.types import Token
from attnscope.validation import is_index, require_characters

AnswerText = str | int | Sequence[int]
"""An answer as a user passes it: a text of one or several tokens, a token id, or several token ids."""


@dataclass(frozen=True)
class Continuation:
    """One or several tokens that may follow a prompt."""

    tokens: tuple[Token, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """The ids of the tokens."""
        return tuple(token.id for token in self.tokens)

    @property
    def text(self) -> str:
        """The text of all tokens."""
        return "".join(token.text for token in self.tokens)

    @property
    def id(self) -> int:
        """The id of the only token; -1 if there are several."""
        return self.tokens[0].id if len(self.tokens) == 1 else -1

    def note(self, what: str, given: object) -> str | None:
        """How the text `given` is split, if into several tokens; `what` is "answer" or "foil"."""
        if not isinstance(given, str) or len(self.tokens) == 1:
            return None
        pieces = " · ".join(repr(token.text) for token in self.tokens)
        hint = "" if given.startswith(" ") else f" Many tokenizers need the space before a word: {' ' + given!r}."
        return f"The {what} {given!r:.80} is {len(self.tokens)} tokens: {pieces}.{hint}"


def continuation_of(
    tokenizer: Any,
    value: object,
    what: str,
    vocabulary: int,
    read: Callable[[int], Token],
    *,
    target: bool = False,
) -> Continuation:
    """The tokens of `value`, an `AnswerText`. `what` is "answer" or "foil", for errors; `read` makes the token of an id.

    `target`: whether these are tokens of the target of an encoder-decoder model. Raises `InputError` for anything else than an
    `AnswerText`, for an unknown id, and for a text without tokens.
    """
    return Continuation(tuple(read(ident) for ident in _ids(tokenizer, value, what, vocabulary, target=target)))


def _ids(tokenizer: Any, value: object, what: str, vocabulary: int, *, target: bool) -> list[int]:
    if isinstance(value, str):
        return _ids_of_text(tokenizer, value, what, target=target)
    several = [value] if is_index(value) else value
    if not isinstance(several, Sequence) or not several or not all(is_index(one) for one in cast("Any", several)):
        raise InputError(f"The {what} must be a text, a token id, or a list of token ids; got {value!r:.80}.")
    for one in cast("Sequence[Any]", several):
        if index_in(one, vocabulary) is None:
            raise InputError(
                f"The {what} {one!r:.300} is not a token id of this model: ids are 0 to {vocabulary - 1:,}."
            )
    return [operator.index(one) for one in cast("Sequence[Any]", several)]


def _ids_of_text(tokenizer: Any, text: str, what: str, *, target: bool) -> list[int]:
    if tokenizer is None:
        raise InputError(f"This model has no tokenizer, so it cannot tokenize the {what}. Pass token ids.")
    require_characters(text, f"The {what}")
    ids: list[int] = (
        target_ids(tokenizer, text, add_special_tokens=False)
        if target
        else list(tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])
    )
    if not ids:
        raise InputError(f"The {what} {text!r:.80} has no tokens. Pass a text of at least one character.")
    return ids
