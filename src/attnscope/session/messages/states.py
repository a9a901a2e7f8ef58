"""The `states` request and its response: residual stream norms, the logit lens, and direct logit attribution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
import torch

from attnscope.errors import InputError
from attnscope.model.metrics.continuation import AnswerText
from attnscope.model.residual_stream.logit_attribution import Contributions
from attnscope.model.residual_stream.states import States
from attnscope.session.jobs import Job
from attnscope.session.limits import Limits
from attnscope.session.messages.answer import Arrays, TokenFields
from attnscope.session.messages.fields import answer_of, integer_of
from attnscope.session.protocols import ModelLike
from attnscope.trace import Trace

DEFAULT_TOP = 3
MAX_TOP = 20


class ShareFields(TypedDict):
    """The direct logit attribution of an answer in a `states` response. The values are tensors."""

    answer: TokenFields
    foil: TokenFields | None
    position: int
    total: float
    remainder: float
    share_kind: list[str]
    share_stack: list[str]


class StatesFields(TypedDict):
    """The fields of a `states` response. With an answer, those of `ShareFields` are added, including `answer`."""

    trace: str
    stack: str
    layers: int
    top: int
    texts: dict[str, str]
    notes: list[str]
    answer: TokenFields | None


@dataclass(frozen=True)
class StatesRequest:
    """A `states` request: `top` tokens of the logit lens (0 for no lens), an answer, a foil, a position."""

    answer: AnswerText | None
    foil: AnswerText | None
    position: int | None
    top: int

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> StatesRequest:
        """Read a request. Raises `InputError` for an invalid field."""
        top = integer_of(body, "top")
        if top is not None and not 0 <= top <= MAX_TOP:
            raise InputError(f"`top`, the number of logit lens tokens, must be from 0 to {MAX_TOP}; got {top}.")
        return cls(
            answer_of(body, "answer"),
            answer_of(body, "foil"),
            integer_of(body, "position"),
            DEFAULT_TOP if top is None else top,
        )

    def check(self, trace: Trace, limits: Limits) -> None:
        """Raise `TooLongError` before anything runs if the response would be too large."""
        tokens = max(len(side) for side in trace.sides.values())
        layers = max(stack.layers for stack in trace.stacks.values()) + 1
        limits.check_answer(4 * layers * tokens * (1 + 2 * self.top))

    def run(self, model: ModelLike, trace: Trace, job: Job) -> tuple[Mapping[str, object], Arrays]:
        """The fields (`StatesFields`, with an answer also `ShareFields`) and tensors of the response."""
        found = model.states(trace, self.answer, self.foil, position=self.position, observer=job)
        arrays: Arrays = {"norms": found.norms.numpy()}
        texts: dict[str, str] = {}
        top = self.top if found.predicts else 0
        if top:
            job.stage = "lens"
            lens = found.lens(top, observer=job)
            arrays |= {"top": lens.ids.int().numpy(), "probability": lens.probabilities.numpy()}
            texts = {str(ident): found.read(ident) for ident in torch.unique(lens.ids).tolist()}
        fields: StatesFields = {
            "trace": trace.id,
            "stack": found.stack,
            "layers": found.layers,
            "top": top,
            "texts": texts,
            "notes": list(found.notes),
            "answer": None,
        }
        if found.contributions is None:
            return fields, arrays
        more, shares = _shares(found, found.contributions)
        return {**fields, **more}, arrays | shares


def _shares(found: States, shares: Contributions) -> tuple[ShareFields, Arrays]:
    fields: ShareFields = {
        "answer": short(shares.answer.text, shares.answer.id),
        "foil": None if shares.foil is None else short(shares.foil.text, shares.foil.id),
        "position": shares.position,
        "total": shares.total,
        "remainder": shares.remainder,
        "share_kind": [one.kind for one in shares.shares],
        "share_stack": [one.stack or found.stack for one in shares.shares],
    }
    arrays: Arrays = {
        "share": np.array([one.value for one in shares.shares], np.float32),
        "share_layer": np.array([-1 if one.layer is None else one.layer for one in shares.shares], np.int32),
        "share_head": np.array([-1 if one.head is None else one.head for one in shares.shares], np.int32),
    }
    return fields, arrays


def short(text: str, ident: int) -> TokenFields:
    """A token's JSON fields."""
    return {"text": text, "id": ident}
