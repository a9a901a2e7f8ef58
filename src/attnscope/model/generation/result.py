"""The result of a generation, and the settings that it was requested with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from attnscope.errors import InputError
from attnscope.model.generation.sampling import Sampling
from attnscope.trace import Trace
from attnscope.types import Token
from attnscope.validation import is_whole

Stopped = Literal["length", "end", "stop"]
OnToken = Callable[["Step"], None]


@dataclass(frozen=True)
class Step:
    """One generated token.

    Attributes:
        token: The token.
        probability: The model's own probability of this token: softmax of its logits, before any sampling setting.
        rank: Its rank in these probabilities, starting at 1.
        top: The most probable tokens at this position with their probabilities, the most probable first.
    """

    token: Token
    probability: float
    rank: int
    top: tuple[tuple[Token, float], ...]


@dataclass(frozen=True, repr=False)
class Generation:
    """A generated text, with the attention of the run that generated it.

    Positions in the trace count from the first token of the prompt. `trace.next_tokens` is what would follow the last token.

    Attributes:
        text: The continuation, without special tokens.
        tokens: All new tokens, special ones included.
        steps: A `Step` for each new token.
        stopped: Why the run ended: "length" (`max_new_tokens` reached), "end" (the model's end-of-text token) or "stop" (a stop
            string, which is part of the text).
        trace: The trace of prompt and continuation; it contains the last new token too, because one extra step reads it.
    """

    text: str
    tokens: list[Token]
    steps: tuple[Step, ...]
    stopped: Stopped
    trace: Trace

    def __repr__(self) -> str:
        return f"<Generation of {len(self.tokens)} tokens: {self.text!r}>"


@dataclass(frozen=True)
class GenerationSettings:
    """Validated settings of a generation."""

    max_new_tokens: int
    sampling: Sampling | None
    stop: tuple[str, ...]

    @classmethod
    def of(
        cls,
        max_new_tokens: int,
        *,
        temperature: float | None,
        top_k: int | None,
        top_p: float | None,
        seed: int | None,
        stop: str | Sequence[str],
    ) -> GenerationSettings:
        """Validate the settings. Raises `InputError` for an invalid one."""
        if not is_whole(max_new_tokens) or max_new_tokens < 1:
            raise InputError(f"`max_new_tokens` must be a whole number of at least 1; got {max_new_tokens!r:.80}.")
        strings = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, (list, tuple)) else ("",)
        if not all(isinstance(one, str) and one for one in strings):
            raise InputError(f"`stop` must be a non-empty string or a list of such strings; got {stop!r:.80}.")
        return cls(int(max_new_tokens), Sampling.of(temperature, top_k, top_p, seed), strings)

    @property
    def seed(self) -> int | None:
        """The random seed; None for greedy decoding."""
        return None if self.sampling is None else self.sampling.seed

    def options(self) -> dict[str, Any]:
        """The settings as arguments of `Model.generate` that reproduce them."""
        sampling = {} if self.sampling is None else asdict(self.sampling)
        return {"max_new_tokens": self.max_new_tokens, "stop": self.stop, **sampling}

    def described(self) -> dict[str, Any]:
        """The settings as JSON values."""
        sampling = None if self.sampling is None else asdict(self.sampling)
        return {"max_new_tokens": self.max_new_tokens, "sampling": sampling, "stop": list(self.stop)}
