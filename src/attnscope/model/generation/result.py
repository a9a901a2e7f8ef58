"""What a generation gives: the new tokens, how probable each was, and the trace; and how much is asked for."""

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
    """One new token. `probability` and `rank` (from 1) are the model's own: softmax of its logits, before any sampling setting.

    `top` are the most probable tokens at that place with their probabilities, the most probable one first.
    """

    token: Token
    probability: float
    rank: int
    top: tuple[tuple[Token, float], ...]


@dataclass(frozen=True, repr=False)
class Generation:
    """What a model wrote, and its attention while it did.

    `text` is the continuation without special tokens, `tokens` are all new tokens, and `steps` says of each how probable it
    was. `trace` holds prompt and continuation, the last new token too (one step more reads it, so that its attention and
    what would follow it are known). `stopped` says why it ended: `length` (as many tokens as asked for), `end` (the model's
    own end of text) or `stop` (a stop string, which is part of the text).
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
    """How much is to be generated, and how: checked."""

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
        """Raises `InputError` for a setting that is none."""
        if not is_whole(max_new_tokens) or max_new_tokens < 1:
            raise InputError(f"`max_new_tokens` is a number of tokens, at least 1; got {max_new_tokens!r}.")
        strings = (stop,) if isinstance(stop, str) else tuple(stop) if isinstance(stop, (list, tuple)) else ("",)
        if not all(isinstance(one, str) and one for one in strings):
            raise InputError(f"`stop` is a text, or a list of texts, at which to end; got {stop!r}.")
        return cls(int(max_new_tokens), Sampling.of(temperature, top_k, top_p, seed), strings)

    @property
    def seed(self) -> int | None:
        """The seed that tokens are drawn with; None where each is the most probable one."""
        return None if self.sampling is None else self.sampling.seed

    def options(self) -> dict[str, Any]:
        """The settings as the arguments of `Model.generate` that give them again."""
        sampling = {} if self.sampling is None else asdict(self.sampling)
        return {"max_new_tokens": self.max_new_tokens, "stop": self.stop, **sampling}

    def described(self) -> dict[str, Any]:
        """The settings as JSON values."""
        sampling = None if self.sampling is None else asdict(self.sampling)
        return {"max_new_tokens": self.max_new_tokens, "sampling": sampling, "stop": list(self.stop)}
