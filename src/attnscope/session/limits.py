"""How much one session takes on. Every limit is checked before the memory that it guards is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from attnscope.errors import InputError, TooLongError


@dataclass(frozen=True)
class Limits:
    """Limits of a session.

    `tokens` and `characters` bound one input, `new_tokens` what is generated at a time, `patched_tokens` the tokens of all
    passes of one sweep, `trace_bytes` what all traces together may hold, `answer_bytes` the tensors of one response, `passes` the
    model passes that may wait or run at once, `requests` all requests, `edits` those of one pass. `image_bytes`
    bounds the file of an image.
    """

    tokens: int = 4096
    characters: int = 200_000
    new_tokens: int = 512
    patched_tokens: int = 1_000_000
    trace_bytes: int = 2 * 2**30
    answer_bytes: int = 256 * 2**20
    image_bytes: int = 8 * 2**20
    passes: int = 8
    requests: int = 32
    edits: int = 1000

    def check_text(self, text: str, pair: str | None, target: str | None = None) -> None:
        """Refuse an input for what it is as text: before anything is tokenized. The errors speak to a person."""
        length = len(text) + len(pair or "") + len(target or "")
        if length > self.characters:
            raise TooLongError(
                f"The text has {length:,} characters; this session takes at most {self.characters:,}. Shorten it."
            )
        if not text:
            raise InputError("The text is empty: type something to trace.")
        for name, part in (("text", text), ("second sentence", pair or ""), ("target", target or "")):
            if any("\ud800" <= character <= "\udfff" for character in part):
                raise InputError(f"The {name} holds half a character (a lone surrogate), which is no text; remove it.")

    def check_tokens(self, tokens: int) -> None:
        """Refuse an input for its number of tokens: before the model sees it."""
        if tokens > self.tokens:
            raise TooLongError(
                f"The text has {tokens:,} tokens; this session takes at most {self.tokens:,}. Shorten it.",
                fits=self.tokens,
            )

    def check_new_tokens(self, tokens: int) -> None:
        """Refuse to generate so many tokens at a time."""
        if tokens > self.new_tokens:
            raise TooLongError(
                f"{tokens:,} new tokens are asked for; this session generates at most {self.new_tokens:,} at a time."
            )

    def check_patched(self, tokens: int) -> None:
        """Refuse a sweep whose passes would run over so many tokens in all."""
        if tokens > self.patched_tokens:
            raise TooLongError(
                f"The sweep would run over {tokens:,} tokens in all; this session takes at most {self.patched_tokens:,}. "
                "Choose fewer layers, heads or positions, or shorter prompts."
            )

    def check_edits(self, count: int) -> None:
        """Refuse a pass for the number of its edits."""
        if count > self.edits:
            raise TooLongError(f"The run has {count:,} edits; this session takes at most {self.edits:,}.")

    def check_answer(self, size: int) -> None:
        """Refuse a response whose tensors would hold `size` bytes."""
        if size > self.answer_bytes:
            raise TooLongError(
                f"The answer would hold {size:,} bytes; this session sends at most {self.answer_bytes:,}. Ask for less."
            )

    def check_trace(self, size: int) -> None:
        """Refuse a pass whose trace would hold `size` bytes."""
        if size > self.trace_bytes:
            raise TooLongError(
                f"The trace would hold {size:,} bytes; this session keeps {self.trace_bytes:,}. Shorten the text."
            )
