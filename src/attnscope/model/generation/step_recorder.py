"""Record the tokens of a run one by one, and decide when to stop."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from attnscope.model.generation.decode import Run
from attnscope.model.generation.result import Generation, GenerationSettings, OnToken, Step, Stopped
from attnscope.model.inputs.tokens import Reader
from attnscope.trace import Trace
from attnscope.types import Token

_TOP = 5


class StepRecorder:
    """The new tokens of one run. `on_token` is called with each one as soon as it is chosen."""

    def __init__(self, tokenizer: Any, read: Reader, settings: GenerationSettings, on_token: OnToken | None) -> None:
        self.settings = settings
        self._tokenizer = tokenizer
        self._read = read
        self._on_token = on_token
        self._steps: list[Step] = []
        self._stopped = False

    def choose(self, ident: int, logits: Tensor) -> bool:
        """Record a chosen token and the logits [vocab] at its position. Return whether a stop string ends the text here."""
        probability = torch.softmax(logits, dim=-1)[ident]
        rank = 1 + int((logits > logits[ident]).sum())
        step = Step(self._read(ident), float(probability), rank, tuple(self.most_probable(logits)))
        self._steps.append(step)
        if self._on_token is not None:
            self._on_token(step)
        self._stopped = any(stop in self._text() for stop in self.settings.stop)
        return self._stopped

    def most_probable(self, logits: Tensor) -> list[tuple[Token, float]]:
        """The most probable next tokens and their probabilities, the most probable first."""
        top = torch.softmax(logits, dim=-1).topk(min(_TOP, logits.shape[-1]))
        return [(self._read(one), p) for one, p in zip(top.indices.tolist(), top.values.tolist(), strict=True)]

    def generation(self, run: Run, trace: Trace) -> Generation:
        """The finished generation."""
        stopped: Stopped = "stop" if self._stopped else "end" if run.ended else "length"
        tokens = [step.token for step in self._steps]
        return Generation(self._text(), tokens, tuple(self._steps), stopped, trace)

    def _text(self) -> str:
        ids = [step.token.id for step in self._steps]
        if self._tokenizer is None:
            return " ".join(str(one) for one in ids)
        return str(self._tokenizer.decode(ids, skip_special_tokens=True))
